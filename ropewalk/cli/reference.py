"""Writes the reference from the code itself: `python -m ropewalk.cli.reference docs/reference`.

A page is a function that returns its text. Nothing is kept by hand, so nothing can be out of date; the measured table
of the README comes from the last whole run of the benchmarks.

Checked by: tests/test_docs.py, tests/test_promises.py
"""

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import click
import msgspec
import numpy as np

from ropewalk import Applied, Service, errors
from ropewalk.cli.main import main as ropewalk
from ropewalk.cli.markdown import number, one_line, table
from ropewalk.cli.rest_reference import rest_pages
from ropewalk.observability.metrics import REGISTRY
from ropewalk.runtime import problems
from ropewalk.runtime.edge import document_of
from ropewalk.systems.coordination.service import coordination
from ropewalk.systems.payments.ach.problems import Code
from ropewalk.systems.payments.ach.reasons import CHANGE_CODES, REFUSED_CHANGE_CODES, RETURN_REASONS, ReturnReason
from ropewalk.systems.payments.cards.tokens import new_key
from ropewalk.systems.payments.ledger import layout
from ropewalk.systems.payments.ledger.statuses import AccountStatus, TransferStatus
from ropewalk.systems.payments.rest.cards import card_operations
from ropewalk.systems.payments.service import payments

PACKAGE: Final = Path(errors.__file__).parent
GENERATED: Final = "<!-- Written by `make docs` from the code: change that, not this. -->\n"
RESULTS: Final = PACKAGE.parent / "benchmarks" / "results.json"
TABLE: Final = re.compile(r"(<!-- measured -->\n).*?(<!-- end -->)", re.DOTALL)


class Limit(NamedTuple):
    """One bound: its name, its value as text, and its reason."""

    name: str
    value: str
    reason: str


def pages() -> dict[str, str]:
    """Every page by its file name."""
    return {name: f"{GENERATED}\n{write()}" for name, write in _PAGES.items()}


def limits_of(path: Path) -> list[Limit]:
    """The bounds that a `limits.py` declares, in its order; the string behind one is its reason."""
    module = importlib.import_module(".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts))
    body = ast.parse(path.read_text()).body
    limits = []
    for node, following in zip(body, [*body[1:], None], strict=True):
        match node, following:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(reason))):
                limits.append(Limit(name, number(getattr(module, name)), one_line(reason)))
            case ast.AnnAssign(target=ast.Name(id=name)), _:
                limits.append(Limit(name, number(getattr(module, name)), ""))
    return limits


def filled_readme(readme: str, results: Path) -> str:
    """The README with the table of what was measured."""
    return TABLE.sub(lambda found: found[1] + _shown(results) + found[2], readme)


def main(folder: Path) -> None:
    """Write every page into `folder`, and the table into the README above it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (folder / name).write_text(text)
    root = folder.resolve().parents[1]
    readme = root / "README.md"
    readme.write_text(filled_readme(readme.read_text(), RESULTS))


# The pages.


def _errors() -> str:
    kinds = [kind for kind in vars(errors).values() if inspect.isclass(kind) and issubclass(kind, Exception)]
    rows = [(f"`{kind.__name__}`", one_line(inspect.getdoc(kind) or "")) for kind in kinds]
    begin = "# Errors\n\nWhat to do about each: [what a reply promises](../concepts/what-a-reply-promises.md).\n\n"
    return begin + table(("error", "what it means"), rows)


def _limits() -> str:
    parts = [
        "# Limits\n\nReaching one is never silent: it is a `NotAccepted` with the number, or a reply that names it.\n"
    ]
    for path in sorted(PACKAGE.rglob("limits.py")):
        name = path.parent.relative_to(PACKAGE).as_posix()
        rows = [(f"`{limit.name}`", limit.value, limit.reason) for limit in limits_of(path)]
        parts.append(f"## {name}\n\n{table(('limit', 'value', 'why'), rows)}")
    return "\n".join(parts)


class Add(msgspec.Struct, frozen=True, tag=True):
    """Add to a counter."""

    counter: str
    amount: int


def _rest() -> str:
    counters = Service.keyed("counters", commands=Add, value=int, reply=int, apply=lambda _, __: Applied(0))
    begin = (
        "# REST\n\nWhat `ropewalk serve` makes of a service, here one named `counters` with one command, `Add`. "
        "`/docs` of a node shows its own.\n\nAn error is a problem (RFC 9457, `application/problem+json`):\n"
    )
    return f"{begin}\n```text\n{_errors_over_http()}\n```\n\n{rest_pages(document_of(counters))}"


def _payments_rest() -> str:
    begin = "# REST of payments\n\nWhat `ropewalk up payments` answers beside what [every service](rest.md) does.\n"
    return f"{begin}\n{rest_pages(document_of(_with_cards(payments)))}"


def _coordination_rest() -> str:
    begin = "# REST of coordination\n\nWhat `ropewalk up coordination` answers beside what every service does.\n"
    return f"{begin}\n{rest_pages(document_of(coordination))}"


def _with_cards(service: Service) -> Service:
    """A service as it is with a card port: which key it has does not show."""
    return msgspec.structs.replace(service, operations=(*service.operations, *card_operations(new_key())))


def _errors_over_http() -> str:
    """The part of the module's docstring that is a table."""
    return inspect.cleandoc((inspect.getdoc(problems) or "").split("\n\n")[1])


def _promises() -> str:
    parts = ["# Promises\n\nWhat each module promises to those that rely on it, and what it does not.\n"]
    for path in sorted(PACKAGE.rglob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
        if "\nPromise:" in docstring:
            parts.append(_promise(path.relative_to(PACKAGE.parent).as_posix(), docstring))
    return "\n".join(parts)


def _promise(place: str, docstring: str) -> str:
    said = {name: one_line(text) for name, text in _SAID.findall(docstring)}
    lines = [f"- {name.lower()}: {said[name]}\n" for name in ("Promise", "Not given", "Checked by") if name in said]
    return f"## {place}\n\n{one_line(docstring.split(chr(10) * 2)[0])}\n\n{''.join(lines)}"


_SAID: Final = re.compile(r"^(Promise|Not given|Checked by):(.*?)(?=\n\S|\n\n|\Z)", re.MULTILINE | re.DOTALL)


def _metrics() -> str:
    rows = sorted((f"`{metric.name}`", metric.type, metric.documentation) for metric in REGISTRY.collect())
    begin = (
        "# Metrics\n\nWhat `/metrics` tells Prometheus: of partitions by `service` and `partition`, of clients by "
        "`client` and `target`, of webhooks by `service` and `endpoint`; times are in seconds.\n\n"
    )
    return begin + table(("metric", "kind", "what it counts"), rows)


def _ledger_results() -> str:
    begin = (
        "# Ledger results\n\nWhat becomes of each event of a request. Numbers and meaning are TigerBeetle's. If more "
        "than one applies, the one listed first is the answer.\n"
    )
    return "\n".join([begin, _statuses("Accounts", AccountStatus), _statuses("Transfers", TransferStatus)])


def _statuses(title: str, kinds: type[AccountStatus] | type[TransferStatus]) -> str:
    rows = [(str(int(each)), f"`{each.name.lower()}`", each.meaning) for each in kinds]
    return f"## {title}\n\n{table(('number', 'result', 'why'), rows)}"


def _ledger_layout() -> str:
    """The rows of bulk requests; a field of 128 bits is two words, low word first."""
    begin = (
        "# Ledger rows\n\nBulk is rows as `application/octet-stream`, little-endian, laid out as TigerBeetle's. "
        "Each request and reply is rows of one kind, one after the other.\n"
    )
    return "\n".join([begin, *(_layout(name, getattr(layout, name)) for name in _ROWS)])


_ROWS: Final = ("ACCOUNT", "TRANSFER", "RESULT", "ID", "BALANCE", "ACCOUNT_FILTER", "QUERY_FILTER")


def _layout(name: str, dtype: np.dtype[np.void]) -> str:
    rows = []
    offset = 0
    for field in dtype.names or ():
        size = dtype[field].itemsize * (2 if field.endswith("_low") else 1)
        if not field.endswith("_high"):
            rows.append((str(offset), str(size), f"`{field.removesuffix('_low')}`"))
            offset += size
    return f"## {name}: {dtype.itemsize} bytes\n\n{table(('offset', 'bytes', 'field'), rows)}"


def _ach_problems() -> str:
    rows = [(f"`{code.value}`", code.sentence) for code in Code]
    begin = (
        "# What can be wrong with an ACH file\n\nThe `code` of each error and warning of `ropewalk ach validate`.\n\n"
    )
    return begin + table(("code", "what it means"), rows)


def _ach_reasons() -> str:
    returns = [(each.code, each.title, _time(each), each.stage.value) for each in RETURN_REASONS.values()]
    changes = [(code, title, "") for code, title in CHANGE_CODES.items()]
    changes += [(code, title, "refuses a notification") for code, title in REFUSED_CHANGE_CODES.items()]
    return (
        "# Why an ACH entry comes back\n\n## Returns\n\n"
        + table(("code", "reason", "time", "stage"), returns)
        + "\n## Notifications of change\n\n"
        + table(("code", "what is corrected", ""), changes)
    )


def _time(reason: ReturnReason) -> str:
    match reason.banking_days, reason.calendar_days:
        case int(days), _:
            return f"{days} banking days"
        case _, int(days):
            return f"{days} days"
        case _:
            return "none given"


def _command_line() -> str:
    parts = ["# Command line\n"]
    parts += [_command(name, command) for name, command in _commands("ropewalk", ropewalk)]
    return "\n".join(parts)


def _commands(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        for child in sorted(command.commands):
            yield from _commands(f"{name} {child}", command.commands[child])


def _command(name: str, command: click.Command) -> str:
    usage = " ".join([name, *command.collect_usage_pieces(click.Context(command, info_name=name))])
    options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
    rows = [(f"`{', '.join(each.opts)}`", each.help or "", _default(each)) for each in options]
    parts = [f"## {name}", inspect.cleandoc(command.help or ""), f"```text\n{usage}\n```"]
    return "\n\n".join(parts) + "\n" + ("\n" + table(("option", "", "default"), rows) if rows else "")


def _default(option: click.Option) -> str:
    if option.required:
        return "required"
    return (
        f"`{option.default}`" if isinstance(option.default, str | int | float | Path) and not option.is_flag else ""
    )


# What was measured.


class _Measure(msgspec.Struct):
    """A line of the benchmarks' results, as far as the README tells it."""

    name: str
    unit: str
    value: float
    must: float | None
    limits_are: str
    must_is_kept: bool
    ratios: dict[str, float]


class _Machine(msgspec.Struct):
    """Where they were measured."""

    processor: str
    cores: int
    memory_gib: float
    filesystem: str
    python: str


class _Results(msgspec.Struct):
    """What the benchmarks wrote."""

    environment: _Machine
    measures: list[_Measure]


_NOTHING: Final = "Nothing has been measured yet: `make bench`.\n"
_PICTURE: Final = "![Throughput and latency against batch size](docs/images/throughput.png)"


def _shown(results: Path) -> str:
    """What the README shows: the picture, and what was promised."""
    if not results.exists():
        return _NOTHING
    measured = _read(results)
    rows = [_row(each) for each in measured.measures if each.must is not None]
    more = "Everything that was measured, with PostgreSQL beside it: [measured](docs/reference/measured.md)."
    return f"{_PICTURE}\n\n{table(('what', 'must', 'measured', 'compared with'), rows)}\n{more}\n"


def _measured() -> str:
    begin = "# Measured\n\nThe last whole run of `make bench`. A ✗ misses what it must.\n"
    if not RESULTS.exists():
        return f"{begin}\n{_NOTHING}"
    measured = _read(RESULTS)
    on = measured.environment
    where = f"{on.processor}, {on.cores} cores, {on.memory_gib:.0f} GiB, {on.filesystem}, Python {on.python}"
    rows = [_row(each) for each in measured.measures]
    return f"{begin}\n{where}.\n\n{table(('what', 'must', 'measured', 'compared with'), rows)}"


def _read(results: Path) -> _Results:
    return msgspec.json.decode(results.read_bytes(), type=_Results)


def _row(measure: _Measure) -> Sequence[str]:
    sign = "≥" if measure.limits_are == "from below" else "≤"
    must = "" if measure.must is None else f"{sign} {number(measure.must)}"
    value = f"{number(measure.value)} {measure.unit}"
    ratios = "; ".join(f"{ratio:.2g} times {name}" for name, ratio in measure.ratios.items())
    return (measure.name, must, value if measure.must_is_kept else f"{value} ✗", ratios)


_PAGES: Final[dict[str, Callable[[], str]]] = {
    "command-line.md": _command_line,
    "rest.md": _rest,
    "payments-rest.md": _payments_rest,
    "coordination-rest.md": _coordination_rest,
    "errors.md": _errors,
    "promises.md": _promises,
    "limits.md": _limits,
    "metrics.md": _metrics,
    "ledger-results.md": _ledger_results,
    "ledger-rows.md": _ledger_layout,
    "ach-problems.md": _ach_problems,
    "ach-reasons.md": _ach_reasons,
    "measured.md": _measured,
}

if __name__ == "__main__":
    main(Path(sys.argv[1]))
