"""The rules of style that a machine can check: each a function from a module to what it objects to there.

What it finds is a name inside the module, and what is wrong with it. `test_tidy` shows each to catch a violation.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

PURE = re.compile(
    r"ropewalk/(core/|coordination/|communication/(cloudevents|webhooks/(delivery|messages|window|outcomes))\.py"
    r"|systems/\w+/(machine\.py|ledger/|processing/|ach/|shards/|instant/|controls/|chains/(?!service)))"
)
IMPURE_IMPORT = re.compile(
    r"(?:asyncio|concurrent|fcntl|http|io|logging|mmap|multiprocessing|os|pathlib|random|secrets|selectors|shutil|socket"
    r"|sqlite3|subprocess|tempfile|threading|time|urllib|uuid|ropewalk\.(?:engines|runtime|observability))(?:\.|$)"
)
IMPURE_CALLS = {"open", "input", "print", "id", "now", "today", "utcnow"}
COMPILERS = {"compiled", "inlined"}
SUPERVISORS = {
    "ropewalk/runtime/leader.py::Leader.run",
    "ropewalk/runtime/recovery.py::_apply",
    "ropewalk/runtime/node.py::_follow",
    "ropewalk/runtime/sagas/working.py::_Worker._do",
    "ropewalk/runtime/edge.py::Edge.__call__",
    "ropewalk/proving/conformance.py::_holds",
}
NAMES_THAT_SAY_NOTHING = {"utils.py", "util.py", "helpers.py", "common.py", "misc.py", "base.py"}
BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef

FUNCTION_LINES, FILE_LINES, PUBLIC_METHODS, PORT_METHODS, POSITIONALS, NESTING = 50, 400, 12, 6, 3, 3
MACHINE_PATH = re.compile("(?<![\\w.])/(?:" + "|".join(("work", "tmp", "home", "root")) + r")(?:/|\b(?=[\s\"'`]))")
REGISTRY = re.compile("index-" + "url|find-" + "links|trusted-" + r"host|pypi\." + "org|python" + "hosted")
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|HA" + r"CK)\b(?!\(#\d+\))")


class Module(NamedTuple):
    """A Python file."""

    path: str
    source: str
    tree: ast.Module


class Finding(NamedTuple):
    """What a rule objects to: `place` is the file, or file::name."""

    rule: str
    place: str
    what: str


Found = Iterator[tuple[str, str]]
"""Names inside the module (empty for the module itself), and what is wrong with each."""


def module(path: str, source: str) -> Module:
    return Module(path, source, ast.parse(source))


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    for node in ast.iter_child_nodes(tree):
        name = f"{prefix}{node.name}" if isinstance(node, (*FUNCTIONS, ast.ClassDef)) else prefix.rstrip(".")
        if isinstance(node, FUNCTIONS):
            yield name, node
        yield from functions(node, f"{name}." if name else "")


def classes(tree: ast.Module) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef))


def begins_with_a_docstring(given: Module) -> Found:
    if given.source.strip() and not ast.get_docstring(given.tree):
        yield "", "begins without a docstring that says what it is"


def is_pure(given: Module) -> Found:
    if not PURE.match(given.path):
        return
    for node in ast.walk(given.tree):
        match node:
            case ast.Import(names=names):
                imported = [each.name for each in names]
            case ast.ImportFrom(module=str(name)):
                imported = [name]
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in IMPURE_CALLS:
                yield "", f"line {node.lineno} calls {name}, in a pure module"
                continue
            case ast.AsyncFunctionDef() | ast.Await():
                yield "", f"line {node.lineno} is async, in a pure module"
                continue
            case _:
                continue
        for name in imported:
            if IMPURE_IMPORT.match(name):
                yield "", f"imports {name}, in a pure module"


def counts_in_integers(given: Module) -> Found:
    """A float rounds, and differently in another order. Limits of time are for the runtime and may be floats."""
    if not PURE.match(given.path) or given.path.endswith("/limits.py"):
        return
    for node in ast.walk(given.tree):
        match node:
            case ast.Constant(value=float()) | ast.Name(id="float") | ast.BinOp(op=ast.Div()):
                yield "", f"line {node.lineno} makes a float, in a pure module"


def iterates_no_set(given: Module) -> Found:
    """A set's order depends on the hash seed: sort it first. Finds sets that are visible in the same function."""
    if not PURE.match(given.path):
        return
    for name, function in functions(given.tree):
        sets = set(names_of_sets(function))
        for iterated in (each for node in ast.walk(function) for each in iterated_by(node)):
            if makes_set(iterated) or ast.unparse(iterated) in sets:
                yield name, f"line {iterated.lineno} iterates a set: sort it, its order depends on the hash seed"


def names_of_sets(function: Function) -> Iterator[str]:
    for node in ast.walk(function):
        match node:
            case ast.Assign(value=value, targets=[target]) if makes_set(value):
                yield ast.unparse(target)
            case ast.AnnAssign(value=ast.expr() as value, target=target) if makes_set(value):
                yield ast.unparse(target)


def makes_set(node: ast.expr) -> bool:
    match node:
        case ast.Set() | ast.SetComp() | ast.Call(func=ast.Name(id="set" | "frozenset")):
            return True
        case ast.BinOp(op=ast.BitOr() | ast.BitAnd() | ast.Sub(), left=left, right=right):
            return makes_set(left) or makes_set(right)
        case _:
            return False


def iterated_by(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.For(iter=iterated) | ast.comprehension(iter=iterated) | ast.Starred(value=iterated):
            return [iterated]
        case ast.Call(func=ast.Name(id="list" | "tuple" | "enumerate" | "iter" | "zip"), args=args):
            return args
        case ast.Call(func=ast.Attribute(attr="join" | "extend"), args=args):
            return args
        case _:
            return []


def is_short(given: Module) -> Found:
    lines = given.source.count("\n")
    if lines > FILE_LINES:
        yield "", f"has {lines} lines, and {FILE_LINES} are enough"
    for name, function in functions(given.tree):
        size = len(code_lines(function))
        if size > FUNCTION_LINES:
            yield name, f"has {size} lines, and {FUNCTION_LINES} are enough"


def code_lines(function: Function) -> range:
    assert function.end_lineno is not None
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(getattr(first.value, "value", None), str)
    documented = (first.end_lineno or 0) - first.lineno + 1 if is_docstring else 0
    return range(function.lineno + documented, function.end_lineno + 1)


def has_few_methods(given: Module) -> Found:
    for each in classes(given.tree):
        count = sum(isinstance(node, FUNCTIONS) and not node.name.startswith("_") for node in each.body)
        is_port = any("Protocol" in ast.unparse(base) for base in each.bases)
        allowed = PORT_METHODS if is_port else PUBLIC_METHODS
        if count > allowed:
            yield each.name, f"has {count} public methods, and {allowed} are enough"


def has_few_positionals(given: Module) -> Found:
    """But for compiled functions: Numba does not hold callers to keyword-only parameters (numba #5655)."""
    if not given.path.startswith("ropewalk/"):
        return
    for name, function in functions(given.tree):
        if any(ast.unparse(each) in COMPILERS for each in function.decorator_list):
            continue
        named = [each for each in function.args.posonlyargs + function.args.args if each.arg not in ("self", "cls")]
        if len(named) > POSITIONALS:
            yield name, f"has {len(named)} positional parameters, and {POSITIONALS} are enough"


def nests_little(given: Module) -> Found:
    for name, function in functions(given.tree):
        depth = max((nesting(node) for node in function.body), default=0)
        if depth > NESTING:
            yield name, f"nests {depth} deep, and {NESTING} are enough"


def nesting(node: ast.AST) -> int:
    if isinstance(node, FUNCTIONS):
        return 0
    inside = 0
    for child in ast.iter_child_nodes(node):
        is_elif = isinstance(node, ast.If) and child in node.orelse and isinstance(child, ast.If)
        inside = max(inside, nesting(child) - is_elif)
    return inside + isinstance(node, BLOCKS)


def catches_what_it_names(given: Module) -> Found:
    for name, function in functions(given.tree):
        handlers = (node for node in ast.walk(function) if isinstance(node, ast.ExceptHandler))
        for handler in handlers if f"{given.path}::{name}" not in SUPERVISORS else ():
            caught = "everything" if handler.type is None else ast.unparse(handler.type)
            if caught in ("everything", "Exception", "BaseException"):
                yield name, f"line {handler.lineno} catches {caught}: name the errors that are expected"


def asserts_only_in_tests(given: Module) -> Found:
    if given.path.startswith("ropewalk/") and not given.path.startswith("ropewalk/proving/"):
        for node in ast.walk(given.tree):
            if isinstance(node, ast.Assert):
                yield "", f"line {node.lineno} asserts, which `python -O` leaves out: use `invariant`"


def keeps_hold_of_its_tasks(given: Module) -> Found:
    for node in ast.walk(given.tree):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="asyncio"), attr="create_task" | "ensure_future" as name)
            ):
                yield "", f"line {node.lineno} calls asyncio.{name}: use a TaskGroup, which waits for its tasks"


def neither_waits_nor_pretends(given: Module) -> Found:
    if not given.path.startswith("tests/"):
        return
    for node in ast.walk(given.tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="sleep"), args=[time]) if ast.unparse(time) != "0":
                yield "", f"line {node.lineno} sleeps: wait for what is to happen"
            case ast.Attribute(attr="skip" | "skipif" | "xfail" | "importorskip" as name):
                yield "", f"line {node.lineno} uses {name}: a test runs or is not there"
            case ast.ImportFrom(module="unittest.mock") | ast.ImportFrom(module="unittest"):
                yield "", f"line {node.lineno} imports a mock: fakes are engines and pass conformance"


def has_a_name_that_says_something(given: Module) -> Found:
    if Path(given.path).name in NAMES_THAT_SAY_NOTHING:
        yield "", "has a name that does not say what it is about"


RULES: tuple[Callable[[Module], Found], ...] = (
    begins_with_a_docstring,
    is_pure,
    counts_in_integers,
    iterates_no_set,
    is_short,
    has_few_methods,
    has_few_positionals,
    nests_little,
    catches_what_it_names,
    asserts_only_in_tests,
    keeps_hold_of_its_tasks,
    neither_waits_nor_pretends,
    has_a_name_that_says_something,
)


def findings(given: Module) -> list[Finding]:
    return [
        Finding(rule.__name__, f"{given.path}::{name}" if name else given.path, what)
        for rule in RULES
        for name, what in rule(given)
    ]


def text_findings(path: str, text: str) -> list[Finding]:
    """What no file may hold, of whatever kind."""
    return [
        Finding(rule, path, f"line {number} holds {found[0]!r}")
        for number, line in enumerate(text.splitlines(), start=1)
        for rule, pattern in (("machine_path", MACHINE_PATH), ("registry", REGISTRY), ("unfinished", UNFINISHED))
        for found in pattern.finditer(line)
    ]
