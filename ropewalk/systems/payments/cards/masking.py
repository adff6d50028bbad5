"""What may be seen of a card: the first six and the last four digits of its number, and nothing of what proves it.

Logs and traces show the fields that are known to hold no secret. All others are left out, known or not: track data
(35, 36, 45) and PIN blocks (52) have fields of their own, but a CVV or a copy of a track may stand in any private
one (44, 48, 55, 60 to 63 …).

Checked by: tests/payments/cards/test_secrets.py
"""

from collections.abc import Mapping
from typing import Final

_FIRST, _LAST = 6, 4

_SHOWN: Final = (
    "t",
    "3",
    "4",
    "7",
    "11",
    "12",
    "13",
    "18",
    "25",
    "32",
    "33",
    "37",
    "38",
    "39",
    "41",
    "42",
    "49",
    "70",
    "90",
)
"""Fields that can be shown as they are."""


def masked(card_number: str) -> str:
    """A card number with its middle hidden, all of it if it is too short to have one."""
    hidden = len(card_number) - _FIRST - _LAST
    if hidden < 1:
        return "*" * len(card_number)
    return card_number[:_FIRST] + "*" * hidden + card_number[-_LAST:]


def shown(fields: Mapping[str, str]) -> dict[str, str]:
    """What a log or a trace may show of a message."""
    visible = {number: fields[number] for number in _SHOWN if number in fields}
    if "2" in fields:
        visible["2"] = masked(fields["2"])
    return visible
