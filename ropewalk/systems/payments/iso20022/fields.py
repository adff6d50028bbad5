"""What one field of a message is: where it lies, what its text looks like, and which field of its view it fills.

A layout lists the fields of a message in the order of its schema. Reading and writing are the same walk over it, one
from elements to fields and one back, so that neither can know a field that the other does not.

Checked by: tests/payments/iso20022/test_writing.py
"""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias


class Kind(NamedTuple):
    """What a text looks like, and what to do if it does not."""

    pattern: re.Pattern[str]
    advice: str


class Text(NamedTuple):
    """A text at `path`, elements divided by slashes; `field` is the view's, dotted if it lies in a struct of it."""

    path: str
    field: str
    kind: Kind
    is_needed: bool = False


class Fixed(NamedTuple):
    """A text that is always the same."""

    path: str
    value: str
    advice: str


class Money(NamedTuple):
    """An amount with its currency as an attribute."""

    path: str
    field: str
    is_needed: bool = False


class Texts(NamedTuple):
    """An element that may come several times: each has one text."""

    path: str
    field: str
    kind: Kind


class Several(NamedTuple):
    """An element that may come several times: each is a struct of its own, `made`, with its own layout."""

    path: str
    field: str
    made: type
    layout: "Layout"


class Bank(NamedTuple):
    """An agent that the answer names: its number, BIC or name must be there, at least if there is an element `of`."""

    path: str
    field: str
    of: str = ""


Field: TypeAlias = Text | Fixed | Money | Texts | Several | Bank
Layout: TypeAlias = Sequence[Field]


def field_name(field: Field) -> str:
    """The field of the view that it fills; nothing if it fills none."""
    return "" if isinstance(field, (Fixed, Bank)) else field.field


def _up_to(length: int) -> Kind:
    return Kind(
        re.compile(rf"(?=.*\S).{{1,{length}}}", re.DOTALL), f"give 1 to {length} characters that are not all blank"
    )


TEXT_35: Final = _up_to(35)
TEXT_34: Final = _up_to(34)
TEXT_105: Final = _up_to(105)
TEXT_140: Final = _up_to(140)
TEXT_350: Final = _up_to(350)

CODE: Final = Kind(re.compile("[A-Z0-9]{1,4}"), "give a code of up to four capital letters and digits")
CODE_5: Final = Kind(re.compile("[A-Z0-9]{1,5}"), "give a code of up to five capital letters and digits")

UETR: Final = Kind(
    re.compile("[a-f0-9]{8}-[a-f0-9]{4}-4[a-f0-9]{3}-[89ab][a-f0-9]{3}-[a-f0-9]{12}"),
    "give a UETR: a version 4 UUID in small letters, as `uuidgen --random` makes one",
)
MEMBER: Final = Kind(
    re.compile("[A-Za-z0-9]{1,28}"), "give the bank's number in its clearing system: nine digits for USABA"
)
BIC: Final = Kind(
    re.compile("[A-Z0-9]{4}[A-Z]{2}[A-Z0-9]{2}([A-Z0-9]{3})?"), "give a BIC of eight or eleven characters"
)
IBAN: Final = Kind(re.compile("[A-Z]{2}[0-9]{2}[a-zA-Z0-9]{1,30}"), "give an IBAN without blanks")

_DAY: Final = "[0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])"
_ZONE: Final = r"(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])?"
DATE: Final = Kind(re.compile(_DAY + _ZONE), "give a date like 2026-11-25")
DATE_TIME: Final = Kind(
    re.compile(_DAY + r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?" + _ZONE),
    "give a time like 2026-11-25T10:15:00-05:00",
)
