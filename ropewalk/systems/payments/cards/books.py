"""How cards move money in the ledger, and how the ledger remembers what every message did.

A hold is a pending transfer from the cardholder's deposit to the account that its bank keeps for cards; a completion
posts it, a reversal voids it, a purchase is a plain transfer. What has been spent stands on the cards account until
the bank settles with its network, by plain transfers.

A message's key is 96 bits of a hash of what names it. A transfer's id is that key and what the transfer is to the
message:

    MOVEMENT    what it moved: a hold, a posting, a purchase
    UNDO        what its reversal gave back
    REFUSAL     nothing: an amount of zero, and the reason why in `user_data_32`
    REFERENCE   nothing: the key is of acquirer, reference number and card, `user_data_128` is the hold's key

So an answer can be given again for ever, whatever has happened since, and takes no memory but the ledger's.
`user_data_128` of the others is the card's token and `user_data_64` the amount that was asked.

Promise:    a message moves money once at most, for ever, and so does its reversal.
Checked by: tests/payments/cards/test_properties.py
"""

import hashlib
import struct
from collections.abc import Sequence
from datetime import date
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from ropewalk.errors import invariant
from ropewalk.systems.payments.cards.commands import Origin
from ropewalk.systems.payments.cards.limits import CLOCK_AHEAD_S, CLOCK_BEHIND_S
from ropewalk.systems.payments.cards.reasons import Reason
from ropewalk.systems.payments.ledger.guards import Room, Sides
from ropewalk.systems.payments.ledger.layout import TRANSFER, AccountFlags, TransferFlags, ids_of, join
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.processing.books import RESERVED_BYTE, USD, Holder, Move, account_id

SECOND_NS: Final = 1_000_000_000
DAY_NS: Final = 86_400 * SECOND_NS

_DAY_S: Final = 86_400
_HALF_YEAR_S: Final = 182 * _DAY_S
_EPOCH: Final = date(1970, 1, 1).toordinal()
_KEY_BYTES: Final = 12


class Purpose(IntEnum):
    """What a transfer is to its message: the second byte of its id."""

    MOVEMENT = Move.CARD_MOVEMENT
    UNDO = Move.CARD_UNDO
    REFUSAL = Move.CARD_REFUSAL
    REFERENCE = Move.CARD_REFERENCE


class Code(IntEnum):
    """What a transfer is for; its code in the ledger."""

    HOLD = 101
    PURCHASE = 102
    REFUND = 103
    REFUSAL = 104
    REFERENCE = 105


class Entry(NamedTuple):
    """A row of the ledger that is to be made, without what all have in common."""

    id: int
    debit: int
    credit: int
    amount: int
    code: int
    flags: int = 0
    pending_id: int = 0
    timeout: int = 0
    token: int = 0
    asked: int = 0
    note: int = 0


class Made(NamedTuple):
    """A transfer that was made."""

    id: int
    debit: int
    credit: int
    amount: int
    pending_id: int
    token: int
    asked: int
    note: int
    code: int
    flags: int
    timestamp: int

    @property
    def is_hold(self) -> bool:
        """True if it holds money that a completion may spend."""
        return bool(self.flags & _PENDING)


UNLIMITED: Final = 2**127
"""What an account without a limit may spend: more than any message can ask."""

_LIMITED: Final = int(AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS)
_CLOSED: Final = int(AccountFlags.CLOSED)
_PENDING: Final = int(TransferFlags.PENDING)
_NARROW: Final = struct.Struct("<QIIIHHQ")
_TRANSFER: Final = struct.Struct("<12QQIIIHHQ")
_ACCOUNT: Final = struct.Struct("<2Q2Q2Q16x2Q38xH8x")


class Named(NamedTuple):
    """A message's key, and whether its own time is near enough to ours for it to be taken as new."""

    key: int
    is_current: bool


def named(origin: Origin, *, time_ns: int) -> Named | None:
    """What names a message for ever; None if there is no such time as it has.

    Its time names no year: it is the one that brings it nearest to `time_ns`, so a message that names it months later
    finds the same.
    """
    found = _year_of(origin.transmitted, time_ns // SECOND_NS)
    if found is None:
        return None
    year, ahead_s = found
    key = _hash(f"{year}{origin.transmitted}|{origin.trace}|{origin.acquirer}")
    return Named(key, -CLOCK_BEHIND_S <= ahead_s <= CLOCK_AHEAD_S)


def key_of(origin: Origin, *, time_ns: int) -> int | None:
    """A message's key; None if it has none."""
    name = named(origin, time_ns=time_ns)
    return None if name is None else name.key


def reference_key(acquirer: str, reference: str, token: bytes) -> int:
    """The key by which a hold is found that is only referred to."""
    return _hash(f"{acquirer}|{reference}|{token.hex()}")


def transfer_id(purpose: Purpose, key: int) -> int:
    """The id of a transfer."""
    return (RESERVED_BYTE << 120) | (purpose << 112) | key


def approval_of(key: int) -> str:
    """The authorisation response (38) of an approval: six digits that follow from its key."""
    return f"{key % 1_000_000:06}"


def deposit(slot: int) -> int:
    """The account of a customer."""
    return account_id(Holder.DEPOSIT, slot)


def cards_account(institution: int) -> int:
    """The account that a bank keeps for cards."""
    return account_id(Holder.CARDS, institution)


def suspense(institution: int) -> int:
    """The account of a bank that pays what its customer can't."""
    return account_id(Holder.SUSPENSE, institution)


def found(ledger: Ledger, ids: Sequence[int]) -> dict[int, Made]:
    """The transfers with these ids that there are, by id."""
    rows = ledger.lookup_transfers(ids_of(ids))
    made = (_made(words) for words in _TRANSFER.iter_unpack(rows.tobytes()))
    return {each.id: each for each in made}


def available(ledger: Ledger, accounts: Sequence[int]) -> dict[int, int]:
    """What each account may spend: nothing if it is closed, UNLIMITED if it has no limit."""
    rows = ledger.lookup_accounts(ids_of(accounts))
    spendable = {}
    for low, high, *halves, flags in _ACCOUNT.iter_unpack(rows.tobytes()):
        debits_pending, debits_posted, credits_posted = (join(*halves[place : place + 2]) for place in (0, 2, 4))
        is_limited = flags & _LIMITED
        left = max(0, credits_posted - debits_posted - debits_pending) if is_limited else UNLIMITED
        spendable[join(low, high)] = 0 if flags & _CLOSED else left
    return spendable


def rooms(ledger: Ledger, accounts: Sequence[int], *, time_ns: int) -> dict[int, Room]:
    """What each account may spend at once as far as its guard goes, and what stands against more."""
    slots = ledger.slots_of(ids_of(accounts)).tolist()
    return {each: ledger.guards.room(slot, time_ns=time_ns) for each, slot in zip(accounts, slots, strict=True)}


def takes_nothing(ledger: Ledger, account: int) -> bool:
    """True if an account takes nothing more: it is closed, or its credits are frozen."""
    ids = ids_of([account])
    is_closed = bool(ledger.lookup_accounts(ids)["flags"][0] & AccountFlags.CLOSED)
    return is_closed or bool(ledger.guards.frozen_of(int(ledger.slots_of(ids)[0])) & Sides.CREDITS)


def create(ledger: Ledger, entries: Sequence[Entry], *, time_ns: int) -> list[int]:
    """Make transfers; return the status of each."""
    if not entries:
        return []
    rows = np.frombuffer(b"".join([_packed(entry) for entry in entries]), TRANSFER)
    statuses: list[int] = ledger.create_transfers(rows, time_ns=time_ns)["status"].tolist()
    return statuses


def create_judged(ledger: Ledger, entries: Sequence[Entry], *, time_ns: int) -> None:
    """Make transfers that have been judged, so that nothing speaks against them."""
    statuses = create(ledger, entries, time_ns=time_ns)
    refused = [status for status in statuses if status != TransferStatus.CREATED]
    invariant(not refused, "what was judged can be made", refused=refused)


def refusal(key: int, institution: int, reason: Reason, *, token: bytes, asked: int) -> Entry:
    """The row that remembers why a message was refused."""
    return Entry(
        transfer_id(Purpose.REFUSAL, key), suspense(institution), cards_account(institution), 0, Code.REFUSAL,
        token=token_number(token), asked=asked, note=reason,
    )  # fmt: skip


def token_number(token: bytes) -> int:
    """A card's token as the integer that the ledger keeps."""
    return int.from_bytes(token, "big")


def _year_of(transmitted: str, now_s: int) -> tuple[int, int] | None:
    """The year of a time MMDDhhmmss, and how many seconds it is ahead of now; None if there is no such time."""
    rest, second = divmod(int(transmitted), 100)
    rest, minute = divmod(rest, 100)
    rest, hour = divmod(rest, 100)
    month, day = divmod(rest, 100)
    if hour > 23 or minute > 59 or second > 59:
        return None
    this_year = date.fromordinal(_EPOCH + now_s // _DAY_S).year
    second_of_day = (hour * 60 + minute) * 60 + second
    for year in (this_year, this_year - 1, this_year + 1):
        try:
            ordinal = date(year, month, day).toordinal()
        except ValueError:
            continue
        ahead_s = (ordinal - _EPOCH) * _DAY_S + second_of_day - now_s
        if -_HALF_YEAR_S <= ahead_s <= _HALF_YEAR_S:
            return year, ahead_s
    return None


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=_KEY_BYTES).digest(), "big")


def _packed(entry: Entry) -> bytes:
    """An entry as a row of TRANSFER. Fields that a posting leaves zero are those of the hold that it posts."""
    wide = (entry.id, entry.debit, entry.credit, entry.amount, entry.pending_id, entry.token)
    narrow = (entry.asked, entry.note, entry.timeout, USD if entry.debit else 0, entry.code, entry.flags, 0)
    return b"".join([each.to_bytes(16, "little") for each in wide]) + _NARROW.pack(*narrow)


def _made(words: tuple[int, ...]) -> Made:
    number, debit, credit, amount, pending, token = (join(*words[place : place + 2]) for place in range(0, 12, 2))
    asked, note, _, _, code, flags, timestamp = words[12:]
    return Made(number, debit, credit, amount, pending, token, asked, note, code, flags, timestamp)
