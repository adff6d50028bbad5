"""Single fields against their layout: digits where digits belong, nothing mandatory left out, dates that exist.

Works on many records of one layout at a time; a mask says which are wrong, and only those are looked at again to say
what was found.

Checked by: tests/payments/ach/test_stories.py, test_manifest.py
"""

from collections.abc import Callable

import numpy as np

from ropewalk.systems.payments.ach import columns
from ropewalk.systems.payments.ach.columns import Cells, Lines, Mask
from ropewalk.systems.payments.ach.layout import Field, Layout
from ropewalk.systems.payments.ach.problems import Code, Problem, Problems, Where, report


def check_fields(layout: Layout, rows: Cells, *, places: Lines, problems: Problems) -> None:
    """Name every field of these records that breaks a rule of its own. `rows[n]` is the record at `places[n]`."""
    if not len(rows):
        return
    if int(rows.min()) < columns.BLANK or int(rows.max()) > 126:
        _check_characters(layout, rows, places=places, problems=problems)
    for field in layout.fields:
        cells = columns.cells(rows, field)
        for code, severity, holds in _rules(field, problems):
            _name(layout, field, cells, code=code, holds=holds(cells), places=places, add=severity)


_Rule = tuple[Code, Callable[[Problem], None], Callable[[Cells], Mask]]


def _rules(field: Field, problems: Problems) -> list[_Rule]:
    """What must hold of a field, by its kind and inclusion."""
    rules: list[_Rule] = []
    literal = field.literal
    if literal is not None and field.name not in ("record_type", "type_code"):
        # Those two chose the layout, so they hold.
        rules.append((Code.LITERAL, problems.error, lambda cells: columns.equals(cells, literal.encode())))
    if field.is_mandatory:
        rules.append((Code.MANDATORY, problems.error, lambda cells: ~columns.is_empty(cells)))
    match field.kind:
        case "digits":
            rules.append((Code.DIGITS, problems.error, columns.is_digits))
        case "blank":
            rules.append((Code.NOT_BLANK, problems.warning, columns.is_blank))
        case "date" if field.is_mandatory:
            rules.append((Code.DATE, problems.error, _date_or_empty))
        case "date" if field.inclusion == "R":
            rules.append((Code.DIGITS, problems.error, _digits_or_blank))
            # The operator replaces an effective date that does not exist, so the file still stands.
            rules.append((Code.DATE, problems.warning, _date_or_empty))
        case "date":
            rules.append((Code.DATE, problems.warning, _date_or_empty))
        case "time":
            rules.append((Code.TIME, problems.error, lambda cells: columns.is_time(cells) | columns.is_blank(cells)))
        case _:
            pass
    return rules


def _digits_or_blank(cells: Cells) -> Mask:
    return columns.is_digits(cells) | columns.is_blank(cells)


def _date_or_empty(cells: Cells) -> Mask:
    return columns.is_date(cells) | columns.is_empty(cells)


def _name(
    layout: Layout,
    field: Field,
    cells: Cells,
    *,
    code: Code,
    holds: Mask,
    places: Lines,
    add: Callable[[Problem], None],
) -> None:
    if holds.all():
        return
    wrong = np.flatnonzero(~holds)
    found = cells[wrong]
    report(
        add,
        code,
        Where(layout.name, field.name),
        places=places[wrong],
        message=lambda number: _message(field, code, shown(found[number])),
    )


def shown(cell: Cells) -> str:
    """What a field holds, as a person can read it."""
    return repr(cell.tobytes().decode("latin-1"))


def _message(field: Field, code: Code, found: str) -> str:
    where = f"columns {field.start + 1} to {field.stop}"
    match code:
        case Code.LITERAL:
            return f"{where} must hold {field.literal!r}, and hold {found}"
        case Code.MANDATORY:
            return f"{where} are mandatory and must be neither blank nor all zeros, and hold {found}"
        case Code.DIGITS:
            return f"{where} must hold {field.length} digits, and hold {found}"
        case Code.NOT_BLANK:
            return f"{where} are reserved and should be blank, and hold {found}"
        case Code.DATE:
            return f"{where} must hold a date YYMMDD, and hold {found}"
        case _:
            return f"{where} must hold a time HHMM or be blank, and hold {found}"


def _check_characters(layout: Layout, rows: Cells, *, places: Lines, problems: Problems) -> None:
    for field in layout.fields:
        cells = columns.cells(rows, field)
        wrong = np.flatnonzero(~columns.is_printable(cells))
        report(
            problems.error,
            Code.CHARACTER,
            Where(layout.name, field.name),
            places=places[wrong],
            message=_characters_message(field, cells[wrong]),
        )


def _characters_message(field: Field, cells: Cells) -> Callable[[int], str]:
    def message(number: int) -> str:
        bad = next(index for index, byte in enumerate(cells[number].tolist()) if not columns.BLANK <= byte <= 126)
        code = int(cells[number][bad])
        return f"column {field.start + bad + 1} holds the character 0x{code:02x}; only printable ASCII is allowed"

    return message
