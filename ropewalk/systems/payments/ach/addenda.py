"""Addenda records: which an entry may have, how they are numbered, and whether they name the entry before them.

    class                                       forward       returned    corrected
    MTE POS SHR                                 one 02        99
    ACK CCD CIE DNE PPD WEB                     one 05        99
    ATX CTX ENR TRX                             to 9,999 05   99
    IAT                                         10 to 16, to two 17 and five 18;  then 99 or, in COR, 98
    ARC BOC POP RCK TEL TRC XCK                 none          99
    COR                                                                   one 98

Checked by: tests/payments/ach/test_manifest.py, test_stories.py
"""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ach import codes, columns, layouts
from ropewalk.systems.payments.ach.addenda_values import check_values
from ropewalk.systems.payments.ach.codes import CLASS_CODES, ENTRY_CLASSES, Purpose
from ropewalk.systems.payments.ach.columns import Cells, Lines
from ropewalk.systems.payments.ach.entries import TRACE_SEQUENCE, Judged, name_entries
from ropewalk.systems.payments.ach.fields import check_fields
from ropewalk.systems.payments.ach.layout import Layout
from ropewalk.systems.payments.ach.model import Category, Rows, entry_class_code
from ropewalk.systems.payments.ach.problems import Code, Problem, Problems, Where, report
from ropewalk.systems.payments.ach.records import ADDENDA, COR_CLASS, addenda_layout
from ropewalk.systems.payments.ach.structure import Structure

_IAT_MANDATORY: Final = 7
"""Addenda 10 to 16."""
_IAT_REMITTANCE_MAX: Final = 2
_IAT_CORRESPONDENTS_MAX: Final = 5
_COUNTED: Final = tuple(CLASS_CODES.index(code) for code in ("CTX", "ATX", "TRX"))
_REMITTANCE: Final = tuple(CLASS_CODES.index(code) for code in ("CCD", "CTX"))

_CATEGORIES: Final = {
    "addenda_98": Category.NOTIFICATION,
    "addenda_98_refused": Category.REFUSED_NOTIFICATION,
    "addenda_99": Category.RETURN,
    "addenda_99_dishonored": Category.DISHONORED,
    "addenda_99_contested": Category.CONTESTED,
}


class Group(NamedTuple):
    """Addenda records of one layout."""

    layout: Layout
    places: Lines


class Addenda(NamedTuple):
    """All addenda records of a file: where they are, their type, and the entry that each follows."""

    places: Lines
    types: NDArray[np.uint8]
    groups: list[Group]
    entry_of: Lines


def read_addenda(rows: Cells, structure: Structure, problems: Problems) -> Addenda:
    """Sort the addenda by their layouts and check their fields."""
    places = structure.addenda
    kinds = rows[places, 1:3] if len(places) else np.empty((0, 2), np.uint8)
    types = np.where(columns.is_digits(kinds), columns.numbers(kinds), 0).astype(np.uint8)
    groups = list(_groups(rows, places, kinds))
    for group in groups:
        for chunk in columns.chunks(group.places):
            part = columns.take(rows, chunk)
            check_fields(group.layout, part, places=chunk, problems=problems)
            check_values(group.layout, part, places=chunk, problems=problems)
    unknown = places[~np.isin(types, [int(kind) for kind in ADDENDA])]
    report(
        problems.error,
        Code.ADDENDA_TYPE,
        Where("addenda", "type_code"),
        places=unknown,
        message=lambda number: f"{rows[unknown[number], 1:3].tobytes().decode('latin-1')!r} is not an addenda type",
    )
    return Addenda(places, types, groups, np.searchsorted(structure.entries, places) - 1)


def _groups(rows: Cells, places: Lines, kinds: Cells) -> Iterator[Group]:
    """The addenda of each layout. Returns and notifications are sorted by their reasons too."""
    for kind, layout in ADDENDA.items():
        chosen = places[columns.equals(kinds, kind)]
        if not len(chosen):
            continue
        if kind not in (b"98", b"99"):
            yield Group(layout, chosen)
            continue
        reasons = columns.texts(rows[chosen, 3:6])
        by_layout: dict[Layout, list[bytes]] = {}
        for reason in np.unique(reasons).tolist():
            refined = addenda_layout(b"7" + kind + reason)
            if refined is not None:
                by_layout.setdefault(refined, []).append(reason)
        for refined, wanted in by_layout.items():
            yield Group(refined, chosen[np.isin(reasons, wanted)])


def set_categories(entries: Rows, addenda: Addenda) -> None:
    """Say what each entry is, by the furthest stage that its addenda name."""
    for group in addenda.groups:
        category = _CATEGORIES.get(group.layout.name)
        if category is not None:
            owners = addenda.entry_of[np.searchsorted(addenda.places, group.places)]
            entries["category"][owners] = np.maximum(entries["category"][owners], category)


def check_addenda(judged: Judged, addenda: Addenda, problems: Problems) -> None:
    """Name every addenda record that its entry may not have, that is out of order, or that is not there."""
    _check_types(judged, addenda, problems)
    _check_counts(judged, problems)
    _check_declared_counts(judged, problems)
    _check_iat(judged, addenda, problems)
    for group in addenda.groups:
        owners = addenda.entry_of[np.searchsorted(addenda.places, group.places)]
        for chunk in columns.chunks(np.arange(len(owners))):
            part = Group(group.layout, group.places[chunk])
            _check_numbering(judged, part, owners=owners[chunk], problems=problems)
            _check_references(judged, part, owners=owners[chunk], problems=problems)


def _forward_types() -> NDArray[np.bool_]:
    """Which addenda type a forward entry of each class may have."""
    table = np.zeros((len(CLASS_CODES) + 1, 256), np.bool_)
    table[-1] = True
    for place, code in enumerate(CLASS_CODES):
        kind = ENTRY_CLASSES[code].addenda
        if kind:
            table[place, int(kind)] = True
    return table


_FORWARD_TYPES: Final = _forward_types()


def _check_types(judged: Judged, addenda: Addenda, problems: Problems) -> None:
    owner = addenda.entry_of
    entry_class = judged.entry_class[owner]
    types = addenda.types
    is_iat = judged.file.batch_columns["is_iat"][judged.entries["batch"][owner]]
    fits = judged.is_forward[owner] & _FORWARD_TYPES[entry_class, types]
    fits |= is_iat & (types >= 10) & (types <= 18)
    fits = np.where(types == 98, entry_class == COR_CLASS, fits)
    fits = np.where(types == 99, entry_class != COR_CLASS, fits)
    known = np.isin(types, [int(kind) for kind in ADDENDA])
    wrong = np.flatnonzero(~fits & known)

    def message(number: int) -> str:
        place = int(wrong[number])
        what = "a forward entry" if judged.is_forward[owner[place]] else "a return or notification"
        return f"{what} of class {entry_class_code(int(entry_class[place]))} has no addenda {types[place]:02}"

    report(
        problems.error,
        Code.ADDENDA_TYPE,
        Where("addenda", "type_code"),
        places=addenda.places[wrong],
        message=message,
    )


def _check_counts(judged: Judged, problems: Problems) -> None:
    count = judged.entries["addenda_count"]
    least = codes.ADDENDA_MIN[judged.entry_class].copy()
    most = codes.ADDENDA_MAX[judged.entry_class].copy()
    is_correction = judged.entry_class == COR_CLASS
    is_iat = judged.file.batch_columns["is_iat"][judged.entries["batch"]]
    least[is_correction] = 1
    most[is_correction] = 1
    least[(judged.purpose == Purpose.ZERO_DOLLAR) & np.isin(judged.entry_class, _REMITTANCE)] = 1
    counted = (judged.is_forward | is_correction) & ~is_iat

    def few(place: int) -> str:
        return f"class {entry_class_code(int(judged.entry_class[place]))} asks for addenda: {least[place]} or more"

    def many(place: int) -> str:
        code = entry_class_code(int(judged.entry_class[place]))
        allowed = f"at most {most[place]}" if most[place] else "none"
        return f"{count[place]} addenda follow, and class {code} has {allowed}"

    def unexplained(_place: int) -> str:
        return "the transaction code is of a return, and no addenda 99 or 98 says what of"

    field = "addenda_record_indicator"
    is_return = judged.is_forward & (judged.purpose == Purpose.RETURN) & ~is_correction
    name_entries(
        judged, counted & (count < least) & ~is_return, code=Code.ADDENDA_MISSING, field=field, message=few,
        add=problems.error,
    )  # fmt: skip
    name_entries(
        judged, counted & (count > most), code=Code.ADDENDA_TOO_MANY, field=field, message=many, add=problems.error
    )
    name_entries(judged, is_return, code=Code.ADDENDA_MISSING, field=field, message=unexplained, add=problems.error)


def _check_declared_counts(judged: Judged, problems: Problems) -> None:
    """CTX, ATX and TRX say how many addenda follow. IAT says it too, but files in use count only the mandatory."""
    is_iat = judged.file.batch_columns["is_iat"][judged.entries["batch"]]
    for layout, chosen, add in (
        (layouts.CORPORATE_ENTRY, np.isin(judged.entry_class, _COUNTED) & judged.is_forward, problems.error),
        (layouts.IAT_ENTRY, is_iat, problems.warning),
    ):
        if not chosen.any():
            continue
        where = np.flatnonzero(chosen)
        field = layout["number_of_addenda_records"]
        cells = judged.file.rows[judged.entries["line"][where].astype(np.int64) - 1, field.start : field.stop]
        declared = np.zeros(len(chosen), np.uint64)
        declared[where] = columns.numbers(cells)
        wrong = chosen & (declared != judged.entries["addenda_count"])
        name_entries(
            judged, wrong, code=Code.ADDENDA_COUNT, field=field.name, message=_declared(judged, declared), add=add
        )


def _declared(judged: Judged, declared: columns.Numbers) -> Callable[[int], str]:
    count = judged.entries["addenda_count"]
    return lambda place: f"the entry says {declared[place]} addenda records, and {count[place]} follow"


def _check_iat(judged: Judged, addenda: Addenda, problems: Problems) -> None:
    """An IAT entry starts with addenda 10 to 16 in order; of 17 there are at most two, of 18 at most five."""
    is_iat = judged.file.batch_columns["is_iat"][judged.entries["batch"]]
    if not is_iat.any():
        return
    where = np.flatnonzero(is_iat)
    first = judged.entries["addenda_first"][where].astype(np.int64) - 1
    count = judged.entries["addenda_count"][where]
    last_row = len(judged.file.rows) - 1
    for number in range(_IAT_MANDATORY):
        kind = 10 + number
        cells = judged.file.rows[np.minimum(first + number, last_row), 1:3]
        missing = np.zeros(len(is_iat), np.bool_)
        missing[where] = (count <= number) | (columns.numbers(cells) != kind)
        name_entries(
            judged,
            missing,
            code=Code.ADDENDA_MISSING,
            field="addenda_record_indicator",
            message=_missing_iat(kind),
            add=problems.error,
        )
    for kind, most in ((17, _IAT_REMITTANCE_MAX), (18, _IAT_CORRESPONDENTS_MAX)):
        found = np.bincount(addenda.entry_of[addenda.types == kind], minlength=len(is_iat))
        name_entries(
            judged,
            is_iat & (found > most),
            code=Code.ADDENDA_TOO_MANY,
            field="addenda_record_indicator",
            message=_many_iat(kind, most=most),
            add=problems.error,
        )


def _missing_iat(kind: int) -> Callable[[int], str]:
    return lambda _place: f"addenda {kind} must be number {kind - 9} of the entry's addenda records"


def _many_iat(kind: int, *, most: int) -> Callable[[int], str]:
    return lambda _place: f"an IAT entry has at most {most} addenda {kind}"


def _check_numbering(judged: Judged, group: Group, *, owners: Lines, problems: Problems) -> None:
    """Addenda 05, 17 and 18 of one entry are numbered 1, 2, 3."""
    if "addenda_sequence_number" not in group.layout:
        return
    field = group.layout["addenda_sequence_number"]
    found = columns.numbers(columns.cells(columns.take(judged.file.rows, group.places), field))
    # Records of one type and entry lie together, so a number is one more than that of the record before, or is 1.
    first = judged.entries["addenda_first"][owners].astype(np.int64) - 1
    before = group.places - 1
    kind = judged.file.rows[before, 1:3]
    follows = (before >= first) & (kind == judged.file.rows[group.places, 1:3]).all(axis=1)
    previous = columns.numbers(judged.file.rows[before, field.start : field.stop])
    expected = np.where(follows, previous + np.uint64(1), np.uint64(1))
    wrong = np.flatnonzero(found != expected)
    report(
        problems.error,
        Code.ADDENDA_ORDER,
        Where(group.layout.name, field.name),
        places=group.places[wrong],
        message=lambda number: f"number {found[wrong[number]]} stands where {expected[wrong[number]]} is due",
    )


def _check_references(judged: Judged, group: Group, *, owners: Lines, problems: Problems) -> None:
    """An addenda record ends with the trace number of its entry, or with the last seven digits of it."""
    trace = judged.entries["trace"][owners]
    name = "trace_number" if "trace_number" in group.layout else "entry_detail_sequence_number"
    field = group.layout[name]
    due = trace if name == "trace_number" else trace % np.uint64(TRACE_SEQUENCE)
    found = columns.numbers(columns.cells(columns.take(judged.file.rows, group.places), field))
    wrong = np.flatnonzero(found != due)
    # Banks put the trace number of the return, of the original, or zeros there: a reader must take them all.
    is_lenient = group.layout.name in _CATEGORIES
    add: Callable[[Problem], None] = problems.warning if is_lenient else problems.error
    report(
        add,
        Code.ADDENDA_TRACE,
        Where(group.layout.name, name),
        places=group.places[wrong],
        message=lambda number: (
            f"the record names entry {found[wrong[number]]:0{field.length}}, and follows"
            f" {due[wrong[number]]:0{field.length}}"
        ),
    )
