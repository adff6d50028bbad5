"""Why a receiver's bank returns an entry: what is wrong with the bank, the account, or the ledger's answer.

    R13  no such institution                        R20  pays nobody, or no more (a savings account, a limit)
    R04  the number can't be one of that bank's     R23  takes no credits
    R03  no such account                            R12  sold to another institution
    R02  closed                                     R08  payments stopped
    R16  frozen                                     R29  debits not authorized, a corporation's
    R15  holder deceased                            R10  debits not authorized, a person's
    R14  representative payee deceased              R09  the money is there, and is reserved
    R17  a reversal that names nothing to reverse   R01  the money is not there

Checked by: tests/payments/processing/test_stories.py (debits), test_windows.py
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.processing.books import Legs, is_uncollected
from ropewalk.systems.payments.processing.directory import Directory, Restriction

INSUFFICIENT: Final = 1
CLOSED: Final = 2
NO_ACCOUNT: Final = 3
INVALID_NUMBER: Final = 4
UNCOLLECTED: Final = 9
NOT_AUTHORIZED: Final = 10
UNKNOWN_INSTITUTION: Final = 13
FROZEN: Final = 16
IMPROPER_REVERSAL: Final = 17
LIMITED: Final = 20
REFUSED_BY_RECEIVER: Final = 23
CORPORATE_NOT_AUTHORIZED: Final = 29

Codes = NDArray[np.uint8]
"""The number behind R, for each entry; 0 where nothing is wrong."""

_OF_DEBITS: Final = {
    Restriction.CLOSED: CLOSED,
    Restriction.FROZEN: FROZEN,
    Restriction.NON_TRANSACTION: LIMITED,
    Restriction.HOLDER_DECEASED: 15,
    Restriction.PAYEE_DECEASED: 14,
    Restriction.PAYMENTS_STOPPED: 8,
    Restriction.DEBITS_NOT_AUTHORIZED: NOT_AUTHORIZED,
    Restriction.SOLD: 12,
}
_OF_CREDITS: Final = {
    Restriction.CLOSED: CLOSED,
    Restriction.FROZEN: FROZEN,
    Restriction.HOLDER_DECEASED: 15,
    Restriction.PAYEE_DECEASED: 14,
    Restriction.CREDITS_REFUSED: REFUSED_BY_RECEIVER,
    Restriction.SOLD: 12,
}


def _table() -> Codes:
    table = np.zeros((2, len(Restriction)), "u1")
    for row, codes in enumerate((_OF_DEBITS, _OF_CREDITS)):
        for restriction, code in codes.items():
            table[row, restriction] = code
    return table


_BY_RESTRICTION: Final = _table()
_DIGITS: Final = b"0123456789"
_FROZEN: Final = (TransferStatus.DEBIT_ACCOUNT_FROZEN, TransferStatus.CREDIT_ACCOUNT_FROZEN)
_LIMITED: Final = (
    TransferStatus.EXCEEDS_TRANSFER_LIMIT,
    TransferStatus.EXCEEDS_WINDOW_LIMIT,
    TransferStatus.EXCEEDS_WINDOW_COUNT,
)
"""An account whose debits are limited is what R20 calls one against which transactions are prohibited or limited."""


def codes_by_directory(directory: Directory, legs: Legs, numbers: NDArray[np.bytes_]) -> Codes:
    """What is wrong with the receiving bank or account of each entry; `numbers` are the accounts as named."""
    rows = legs.rows
    codes = np.zeros(rows.size, "u1")
    known = rows["receiver"] >= 0
    accounts = directory.accounts[rows["receiver"][known]]
    is_credit = rows["is_credit"][known]
    found = _BY_RESTRICTION[is_credit.astype("i8"), accounts["restriction"]]
    found[(found == NOT_AUTHORIZED) & accounts["is_corporate"]] = CORPORATE_NOT_AUTHORIZED
    codes[known] = found
    for place in np.flatnonzero(~known).tolist():
        codes[place] = _code_of_unknown(directory, int(rows["rdfi"][place]), bytes(numbers[place]))
    return codes


def codes_by_ledger(ledger: Ledger, legs: Legs, statuses: NDArray[np.uint32]) -> Codes:
    """Why the ledger did not make a receiver's leg."""
    codes = np.full(statuses.size, REFUSED_BY_RECEIVER, "u1")
    closed = (TransferStatus.DEBIT_ACCOUNT_ALREADY_CLOSED, TransferStatus.CREDIT_ACCOUNT_ALREADY_CLOSED)
    codes[np.isin(statuses, closed)] = CLOSED
    codes[np.isin(statuses, _FROZEN)] = FROZEN
    codes[np.isin(statuses, _LIMITED)] = LIMITED
    for place in np.flatnonzero(statuses == TransferStatus.EXCEEDS_CREDITS).tolist():
        row = legs.rows[place]
        held = is_uncollected(ledger, int(row["receiver"]), int(row["amount"]))
        codes[place] = UNCOLLECTED if held else INSUFFICIENT
    return codes


def _code_of_unknown(directory: Directory, rdfi: int, number: bytes) -> int:
    if rdfi < 0:
        return UNKNOWN_INSTITUTION
    digits = directory.institutions[rdfi].account_digits
    if not number or (digits and (len(number) != digits or number.strip(_DIGITS))):
        return INVALID_NUMBER
    return NO_ACCOUNT
