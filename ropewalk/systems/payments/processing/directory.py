"""Who takes part: institutions, the accounts that they keep, and the originators that they send files for.

Checked by: tests/payments/processing/test_directory.py
"""

from collections.abc import Mapping, Sequence
from enum import IntEnum
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ropewalk.core.codec import encode_value
from ropewalk.systems.payments.processing.index import AccountIndex, Keys, keys_of
from ropewalk.systems.payments.processing.layouts import Rows


class AccountKind(IntEnum):
    """What an account is for: the tens of the transaction codes that suit it are 2, 3, 4 and 5."""

    CHECKING = 2
    SAVINGS = 3
    GENERAL_LEDGER = 4
    LOAN = 5


class Restriction(IntEnum):
    """What keeps entries from an account. Its bank sets it; `codes` says what becomes of an entry."""

    NONE = 0
    CLOSED = 1
    FROZEN = 2
    NON_TRANSACTION = 3
    HOLDER_DECEASED = 4
    PAYEE_DECEASED = 5
    PAYMENTS_STOPPED = 6
    DEBITS_NOT_AUTHORIZED = 7
    CREDITS_REFUSED = 8
    SOLD = 9


class Institution(msgspec.Struct, frozen=True):
    """A bank. `account_digits`: how long its account numbers are, all digits; 0 if it does not say."""

    routing: str
    name: str
    account_digits: int = 0


class Originator(msgspec.Struct, frozen=True):
    """A company that an institution sends entries for. `account` is the slot of the account its money moves on."""

    company_id: str
    name: str
    institution: int
    account: int


ACCOUNT: Final = np.dtype(
    [
        ("institution", "<i4"),
        ("number", "S17"),
        ("name", "S35"),
        ("kind", "u1"),
        ("is_corporate", "?"),
        ("has_overdraft", "?"),
        ("restriction", "u1"),
    ]
)

_CAPACITY_MIN: Final = 1_024


class Directory:
    """All of them. A slot or an index is for ever: nothing is removed, an account that closes is restricted."""

    def __init__(self) -> None:
        self.institutions: list[Institution] = []
        self.originators: list[Originator] = []
        self._routings = np.zeros(0, "<u4")
        self._routing_order = np.zeros(0, "<i4")
        self._by_company: dict[tuple[int, str], int] = {}
        self._rows = np.zeros(_CAPACITY_MIN, ACCOUNT)
        self._index = AccountIndex()

    @property
    def accounts(self) -> Rows:
        """All accounts by slot: a view that later commands change, and through which one may be restricted."""
        return self._rows[: self._index.count]

    def add_institution(self, institution: Institution) -> int:
        """Take one in whose routing number is new; return its index."""
        self.institutions.append(institution)
        self._sort_routings()
        return len(self.institutions) - 1

    def add_originator(self, originator: Originator) -> int:
        """Take one in whose company id its institution does not know yet; return its index."""
        self._by_company[originator.institution, originator.company_id] = len(self.originators)
        self.originators.append(originator)
        return len(self.originators) - 1

    def add_accounts(self, rows: Rows) -> int:
        """Take in accounts that are new and different from each other; return the slot of the first."""
        first, end = self._index.count, self._index.count + rows.size
        if end > self._rows.size:
            grown = np.zeros(1 << (end - 1).bit_length(), ACCOUNT)
            grown[:first] = self._rows[:first]
            self._rows = grown
        self._rows[first:end] = rows
        self._index.add(_keys(rows))
        return first

    def find_institutions(self, identifications: NDArray[np.uint32]) -> NDArray[np.int32]:
        """The index of each institution by the first eight digits of its routing number, or -1."""
        if not self.institutions:
            return np.full(identifications.size, -1, "i4")
        places = np.minimum(np.searchsorted(self._routings, identifications), self._routings.size - 1)
        return np.where(self._routings[places] == identifications, self._routing_order[places], np.int32(-1))

    def find_institution(self, routing: str) -> int:
        """The index of an institution, or -1."""
        if not is_routing_number(routing):
            return -1
        return int(self.find_institutions(np.array([int(routing[:8])], "u4"))[0])

    def find_accounts(self, institutions: NDArray[np.int32], numbers: NDArray[np.bytes_]) -> NDArray[np.int32]:
        """The slot of each account, or -1."""
        return self._index.find(keys_of(institutions, numbers))

    def find_account(self, institution: int, number: str) -> int:
        """The slot of an account, or -1."""
        encoded = number.encode("ascii", "replace")
        if not encoded or len(encoded) > ACCOUNT["number"].itemsize:
            return -1
        return int(self.find_accounts(np.array([institution], "i4"), np.array([encoded], "S17"))[0])

    def accounts_of_originators(self, originators: NDArray[np.int32]) -> NDArray[np.int32]:
        """The slot of each originator's account; -1 for -1."""
        slots = np.array([*(originator.account for originator in self.originators), -1], "i4")
        return slots[originators]

    def find_originator(self, institution: int, company_id: str) -> int:
        """The index of an originator, or -1."""
        return self._by_company.get((institution, company_id), -1)

    def save(self) -> dict[str, bytes]:
        """The whole of it, in parts."""
        return {
            "institutions": encode_value(self.institutions),
            "originators": encode_value(self.originators),
            "accounts": self.accounts.tobytes(),
        }

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        self.institutions = msgspec.msgpack.decode(parts["institutions"], type=list[Institution])
        self.originators = []
        self._by_company = {}
        for originator in msgspec.msgpack.decode(parts["originators"], type=list[Originator]):
            self.add_originator(originator)
        self._sort_routings()
        self._rows, self._index = np.zeros(_CAPACITY_MIN, ACCOUNT), AccountIndex()
        self.add_accounts(np.frombuffer(parts["accounts"], ACCOUNT))

    def _sort_routings(self) -> None:
        routings = np.array([int(institution.routing[:8]) for institution in self.institutions], "<u4")
        self._routing_order = np.argsort(routings).astype("<i4")
        self._routings = routings[self._routing_order]


def is_routing_number(text: str) -> bool:
    """Nine digits, of which the last follows from the others (weights 3-7-1)."""
    if not (text.isascii() and text.isdigit() and len(text) == 9):
        return False
    return sum(int(digit) * weight for digit, weight in zip(text, (3, 7, 1) * 3, strict=True)) % 10 == 0


def account_rows(accounts: Sequence[tuple[int, bytes, bytes, AccountKind, bool, bool]]) -> Rows:
    """Rows of new accounts: institution, number, name, kind, is it a corporation's, may it be overdrawn."""
    return np.array([(*account, Restriction.NONE) for account in accounts], ACCOUNT)


def _keys(rows: Rows) -> Keys:
    return keys_of(rows["institution"], rows["number"])
