"""What the standard's codes mean: entry classes, transaction codes, service classes.

Sources: Nacha Operating Rules, Appendix Three (record formats, and the transaction codes of each entry class); the
documentation and test data of moov-io/ach, a widely used open reader, where the Rules leave room.

Checked by: tests/payments/ach/test_codes.py, test_manifest.py
"""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ach import layouts
from ropewalk.systems.payments.ach.layout import Layout

MIXED: Final = 200
CREDITS_ONLY: Final = 220
DEBITS_ONLY: Final = 225
ADVICES: Final = 280
SERVICE_CLASSES: Final = (MIXED, CREDITS_ONLY, DEBITS_ONLY, ADVICES)


class Side(IntEnum):
    """Whether an entry credits its receiver or debits it. A return is on the side of the entry it returns."""

    NONE = 0
    CREDIT = 1
    DEBIT = 2


class Purpose(IntEnum):
    """What an entry is for, by its transaction code."""

    NONE = 0
    LIVE = 1
    """Moves money: 22, 27, 32, 37, 42, 47, 52, 55."""
    PRENOTE = 2
    """Tests an account before money moves: 23, 28, 33, 38, 43, 48, 53."""
    ZERO_DOLLAR = 3
    """Carries remittance data only: 24, 29, 34, 39, 44, 49, 54."""
    RETURN = 4
    """A return or a notification of change: 21, 26, 31, 36, 41, 46, 51, 56."""
    ADVICE = 5
    """An accounting advice of the operator: 81 to 88."""


def _transaction_codes() -> dict[int, tuple[Side, Purpose]]:
    """Each code: the first digit is the kind of account, the second what is done to it."""
    second = {
        1: (Side.CREDIT, Purpose.RETURN),
        2: (Side.CREDIT, Purpose.LIVE),
        3: (Side.CREDIT, Purpose.PRENOTE),
        4: (Side.CREDIT, Purpose.ZERO_DOLLAR),
        6: (Side.DEBIT, Purpose.RETURN),
        7: (Side.DEBIT, Purpose.LIVE),
        8: (Side.DEBIT, Purpose.PRENOTE),
        9: (Side.DEBIT, Purpose.ZERO_DOLLAR),
    }
    codes = {account * 10 + digit: meaning for account in (2, 3, 4) for digit, meaning in second.items()}
    codes |= {50 + digit: second[digit] for digit in (1, 2, 3, 4)}
    # A loan is debited only to reverse a credit, and has its own code for it.
    codes |= {55: (Side.DEBIT, Purpose.LIVE), 56: (Side.DEBIT, Purpose.RETURN)}
    codes |= {code: (Side.CREDIT if code % 2 else Side.DEBIT, Purpose.ADVICE) for code in range(81, 89)}
    return codes


TRANSACTION_CODES: Final = _transaction_codes()

SIDES: Final[NDArray[np.uint8]] = np.zeros(256, np.uint8)
"""The `Side` of each transaction code, as a table to look columns up in."""
PURPOSES: Final[NDArray[np.uint8]] = np.zeros(256, np.uint8)
"""The `Purpose` of each transaction code."""
for _code, (_side, _purpose) in TRANSACTION_CODES.items():
    SIDES[_code] = _side
    PURPOSES[_code] = _purpose

ACCOUNT_KINDS: Final = {2: "checking", 3: "savings", 4: "general ledger", 5: "loan"}


def return_code_of(transaction_code: int) -> int:
    """The transaction code under which an entry of `transaction_code` is returned, or corrected."""
    side, _purpose = TRANSACTION_CODES[transaction_code]
    return transaction_code // 10 * 10 + (1 if side is Side.CREDIT else 6)


class EntryClass(NamedTuple):
    """A standard entry class and what its forward entries may be."""

    code: str
    title: str
    layout: Layout
    sides: tuple[Side, ...]
    purposes: tuple[Purpose, ...]
    addenda: str = ""
    """The type of its addenda; those of IAT are 10 to 18."""
    addenda_min: int = 0
    addenda_max: int = 0
    amount_max_cents: int = 99_999_999_99
    allows_amount: bool = True
    description: str = ""
    """What the company entry description must be."""


_BOTH: Final = (Side.CREDIT, Side.DEBIT)
_CREDIT: Final = (Side.CREDIT,)
_DEBIT: Final = (Side.DEBIT,)
_MONEY: Final = (Purpose.LIVE,)
_USUAL: Final = (Purpose.LIVE, Purpose.PRENOTE)
_REMIT: Final = (Purpose.LIVE, Purpose.PRENOTE, Purpose.ZERO_DOLLAR)
_CHECK_MAX_CENTS: Final = 25_000_00
"""Checks above $25,000 are not eligible to become ARC, BOC or POP entries."""
_REPRESENTED_MAX_CENTS: Final = 2_500_00
"""Nor those of $2,500 and more to be presented again as RCK, or destroyed ones as XCK."""

_CLASSES: Final = (
    EntryClass("ACK", "acknowledgment of a CCD credit", layouts.ENTRY, _CREDIT, (Purpose.ZERO_DOLLAR,), "05", 0, 1,
               allows_amount=False),
    EntryClass("ADV", "accounting advice", layouts.ADV_ENTRY, _BOTH, (Purpose.ADVICE,),
               amount_max_cents=9_999_999_999_99),
    EntryClass("ARC", "accounts receivable entry", layouts.CHECK_ENTRY, _DEBIT, _MONEY,
               amount_max_cents=_CHECK_MAX_CENTS),
    EntryClass("ATX", "acknowledgment of a CTX credit", layouts.CORPORATE_ENTRY, _CREDIT, (Purpose.ZERO_DOLLAR,),
               "05", 0, 9_999, allows_amount=False),
    EntryClass("BOC", "back office conversion", layouts.CHECK_ENTRY, _DEBIT, _MONEY,
               amount_max_cents=_CHECK_MAX_CENTS),
    EntryClass("CCD", "corporate credit or debit", layouts.ENTRY, _BOTH, _REMIT, "05", 0, 1),
    EntryClass("CIE", "customer initiated entry", layouts.CUSTOMER_ENTRY, _CREDIT, _USUAL, "05", 0, 1),
    EntryClass("COR", "notification of change", layouts.ENTRY, _BOTH, (), allows_amount=False),
    EntryClass("CTX", "corporate trade exchange", layouts.CORPORATE_ENTRY, _BOTH, _REMIT, "05", 0, 9_999),
    EntryClass("DNE", "death notification", layouts.ENTRY, _CREDIT, (Purpose.PRENOTE,), "05", 1, 1,
               allows_amount=False),
    EntryClass("ENR", "automated enrollment", layouts.ENTRY, _BOTH, _USUAL, "05", 1, 9_999, allows_amount=False,
               description="AUTOENROLL"),
    EntryClass("IAT", "international ACH transaction", layouts.IAT_ENTRY, _BOTH, _REMIT, "10", 7, 14),
    EntryClass("MTE", "machine transfer", layouts.ENTRY, _BOTH, _USUAL, "02", 1, 1),
    EntryClass("POP", "point of purchase", layouts.PURCHASE_ENTRY, _DEBIT, _MONEY,
               amount_max_cents=_CHECK_MAX_CENTS),
    EntryClass("POS", "point of sale", layouts.ENTRY, _BOTH, _USUAL, "02", 1, 1),
    EntryClass("PPD", "prearranged payment or deposit", layouts.ENTRY, _BOTH, _USUAL, "05", 0, 1),
    EntryClass("RCK", "re-presented check", layouts.CHECK_ENTRY, _DEBIT, _MONEY,
               amount_max_cents=_REPRESENTED_MAX_CENTS, description="REDEPCHECK"),
    EntryClass("SHR", "shared network entry", layouts.SHARED_NETWORK_ENTRY, _BOTH, _USUAL, "02", 1, 1),
    EntryClass("TEL", "telephone-initiated entry", layouts.ENTRY, _DEBIT, _USUAL),
    EntryClass("TRC", "truncated check", layouts.TRUNCATED_ENTRY, _DEBIT, _MONEY),
    EntryClass("TRX", "truncated checks exchange", layouts.CORPORATE_ENTRY, _DEBIT, _MONEY, "05", 0, 9_999),
    EntryClass("WEB", "internet-initiated or mobile entry", layouts.ENTRY, _BOTH, _USUAL, "05", 0, 1),
    EntryClass("XCK", "destroyed check", layouts.TRUNCATED_ENTRY, _DEBIT, _MONEY,
               amount_max_cents=_REPRESENTED_MAX_CENTS),
)  # fmt: skip

ENTRY_CLASSES: Final = {entry_class.code: entry_class for entry_class in _CLASSES}
"""Every standard entry class, by its code."""

CLASS_CODES: Final = tuple(ENTRY_CLASSES)
"""The codes in order: a batch names its class by the place in this list."""

UNKNOWN_CLASS: Final = len(CLASS_CODES)
"""The place of a class that is not in the standard."""


def allows(entry_class: EntryClass, transaction_code: int) -> bool:
    """Whether a forward entry of this class may carry this transaction code, reversals aside."""
    side, purpose = TRANSACTION_CODES.get(transaction_code, (Side.NONE, Purpose.NONE))
    return side in entry_class.sides and purpose in entry_class.purposes


# One row a class, and one for the unknown, so that columns of entries can be judged at once.
ALLOWED: Final[NDArray[np.bool_]] = np.zeros((len(CLASS_CODES) + 1, 256), np.bool_)
AMOUNT_MAX_CENTS: Final[NDArray[np.uint64]] = np.array(
    [*(entry_class.amount_max_cents for entry_class in _CLASSES), 2**63], np.uint64
)
ADDENDA_MIN: Final[NDArray[np.uint16]] = np.array([*(each.addenda_min for each in _CLASSES), 0], np.uint16)
ADDENDA_MAX: Final[NDArray[np.uint16]] = np.array([*(each.addenda_max for each in _CLASSES), 2**16 - 1], np.uint16)
ALLOWS_AMOUNT: Final[NDArray[np.bool_]] = np.array([*(each.allows_amount for each in _CLASSES), True], np.bool_)
ALLOWED[UNKNOWN_CLASS] = True
for _place, _class in enumerate(_CLASSES):
    for _code in TRANSACTION_CODES:
        ALLOWED[_place, _code] = allows(_class, _code)

_IAT_TRANSACTION_TYPES: Final = "ANN BUS DEP LOA MIS MOR PEN REM RLS SAL TAX ARC BOC MTE POP POS RCK SHR TEL WEB"
IAT_TRANSACTION_TYPES: Final = frozenset(_IAT_TRANSACTION_TYPES.split())
"""Addenda 10: why the money is sent."""

CARD_TRANSACTION_TYPES: Final = frozenset({"01", "02", "03", "11", "12", "13", "21", "99"})
"""SHR: what the card was used for."""

FOREIGN_EXCHANGE_INDICATORS: Final = frozenset({"FV", "VF", "FF"})
IDENTIFICATION_QUALIFIERS: Final = frozenset({"01", "02", "03"})
"""How a foreign bank is named: national clearing number, BIC, IBAN."""

_US_STATES: Final = (
    "AL AK AZ AR CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH "
    "OK OR PA RI SC SD TN TX UT VT VA WA WV WI WY DC AS GU MP PR VI UM FM MH PW AA AE AP"
)
US_STATES: Final = frozenset(_US_STATES.split())
