"""The records of a NACHA file: where each field lies, what it may hold, and whether it must hold something.

One table a record type, in the order of the standard (Nacha Operating Rules, Appendix Three: ACH Record Format
Specifications). Every record is 94 characters, so a field's position follows from the lengths before it. Reading,
validating and writing all go by these tables; nothing else in the package knows a column number.

    kind     digits   0-9, right justified, filled with zeros
             alpha    printable ASCII, left justified, filled with blanks
             date     YYMMDD            time   HHMM            blank   reserved: blanks
             =01      exactly that text
    inclusion   M mandatory (neither blank nor all zeros)   R required (should be filled)   O optional

Promise:    each layout covers 94 characters, without a gap (checked on import).
Checked by: tests/payments/ach/test_layouts.py, test_manifest.py
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from ropewalk.errors import invariant

RECORD_LENGTH: Final = 94


class Field(NamedTuple):
    """One field: `start` counts from 0, so `record[start:stop]` is the field."""

    name: str
    start: int
    length: int
    kind: str
    inclusion: str

    @property
    def stop(self) -> int:
        return self.start + self.length

    @property
    def literal(self) -> str | None:
        """The text that this field always holds, if there is one."""
        return self.kind[1:] if self.kind.startswith("=") else None

    @property
    def is_mandatory(self) -> bool:
        return self.inclusion == "M"


class Layout:
    """A record type: its name and its fields in order."""

    def __init__(self, name: str, table: str) -> None:
        self.name = name
        self.fields: tuple[Field, ...] = ()
        start = 0
        for line in table.strip().splitlines():
            words = line.split()
            field = Field(words[0], start, int(words[1]), words[2], words[3] if len(words) > 3 else "O")
            self.fields += (field,)
            start = field.stop
        invariant(start == RECORD_LENGTH, "a layout covers a record", layout=name, length=start)
        self._by_name = {field.name: field for field in self.fields}

    def __repr__(self) -> str:
        return f"Layout({self.name})"

    def __getitem__(self, name: str) -> Field:
        return self._by_name[name]

    def __contains__(self, name: str) -> bool:
        return name in self._by_name

    def field_at(self, column: int) -> Field:
        """The field that covers `column`, counted from 0."""
        return next(field for field in self.fields if field.start <= column < field.stop)

    def write(self, values: Mapping[str, str | int]) -> bytes:
        """The record that holds `values`; a field that is not named is blank, or zeros if it holds digits."""
        unknown = [name for name in values if name not in self._by_name]
        invariant(not unknown, "every value has a field", layout=self.name, unknown=unknown)
        return b"".join(_written(field, values.get(field.name, "")) for field in self.fields)


def _written(field: Field, value: str | int) -> bytes:
    text = field.literal if field.literal is not None else str(value)
    if field.kind == "digits" and not isinstance(value, str):
        text = text.rjust(field.length, "0")
    elif field.kind == "digits" and text == "":
        text = "0" * field.length
    else:
        text = text.ljust(field.length)
    invariant(len(text) == field.length and text.isascii(), "a value fits its field", field=field.name, value=text)
    return text.encode("ascii")


PADDING: Final = b"9" * RECORD_LENGTH
"""A record of nines: it fills the last block of ten."""
