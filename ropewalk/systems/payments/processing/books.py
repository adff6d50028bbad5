"""How entries move money in the ledger.

Each institution has three accounts, its customers have one each:

    settlement   what it has at the Federal Reserve: its debits less its credits
    clearing     what it owes the others (credits) and is owed (debits) since the last window; zero after each
    suspense     what a return took or brought that its customer could not pay or no longer takes

One that issues cards has a fourth, for what its cardholders have spent (`ropewalk.systems.payments.cards.books`). And
where there are several shards, each keeps an account for what it owes each other one
(`ropewalk.systems.payments.shards.between`).

A credit entry of $100, in one window, beside the settlement of net positions:

    originator ──100──► clearing of its bank              clearing of its bank ──100──► its settlement
    clearing of the receiver's bank ──100──► receiver     settlement of that bank ──100──► its clearing

(an arrow goes from the account debited to the one credited). A debit entry is the mirror image. The originator's leg
is pending from the moment the file is taken, so that what a payroll needs can't be spent twice. The receiver's leg
is made when the entry settles and not before: a receiving bank sees an entry on its day, and an account that is
empty when the file comes may hold enough by then. Both legs are linked: one does not happen without the other.

An entry that its receiver's bank refuses in its own window moves no money: its way there and the return's way back
would cancel out. A return that comes later does move it, and is honoured between the banks whether or not the
customers can: what a customer can't pay is taken from, or given to, the suspense account of its bank.

Promise:    each move is all or nothing; a transfer's id follows from its entry, so none is made twice.
Checked by: tests/payments/processing/test_properties.py
"""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ropewalk.errors import invariant
from ropewalk.systems.payments.ledger.layout import (
    ACCOUNT,
    ID,
    TRANSFER,
    AccountFlags,
    Rows,
    TransferFlags,
    get,
)
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.statuses import AccountStatus, TransferStatus
from ropewalk.systems.payments.processing.layouts import Places

USD: Final = 840
"""The ledger of everything here: the number of the dollar in ISO 4217."""

RESERVED_BYTE: Final = 0xAC
"""The highest byte of every id that is made here. The machine lets nobody else use such ids."""


class Holder(IntEnum):
    """What an account is for; its code in the ledger."""

    DEPOSIT = 1
    SETTLEMENT = 2
    CLEARING = 3
    SUSPENSE = 4
    CARDS = 5
    SHARD = 6


class Move(IntEnum):
    """What a transfer is for; its code in the ledger. From 32 to 95: those that are named by a hash."""

    ORIGINATOR_LEG = 1
    RECEIVER_LEG = 2
    POST = 3
    VOID = 4
    RETURN_PAYS = 5
    RETURN_PAYS_FROM_SUSPENSE = 6
    RETURN_BRINGS = 7
    RETURN_BRINGS_TO_SUSPENSE = 8
    SETTLEMENT = 9
    INSTANT_OUT = 32
    INSTANT_IN = 33
    INSTANT_HOLD = 34
    INSTANT_POST = 35
    INSTANT_VOID = 36
    INSTANT_RETURN_OUT = 37
    INSTANT_RETURN_IN = 38
    INSTANT_IN_HOLD = 39
    INSTANT_IN_POST = 40
    INSTANT_IN_VOID = 41
    INSTANT_RETURN_OUT_HOLD = 42
    INSTANT_RETURN_OUT_POST = 43
    INSTANT_RETURN_OUT_VOID = 44
    INSTANT_RETURN_IN_HOLD = 45
    INSTANT_RETURN_IN_POST = 46
    INSTANT_RETURN_IN_VOID = 47
    CHAIN_RESERVE = 48
    CHAIN_RELEASE = 49
    CHAIN_SETTLE = 50
    CHAIN_PAY = 51
    CHAIN_TAKE_BACK = 52
    CHAIN_GIVE_BACK = 53
    CARD_MOVEMENT = 64
    CARD_UNDO = 65
    CARD_REFUSAL = 66
    CARD_REFERENCE = 67
    REVERSAL = 80
    SHARD_POST = 96
    SHARD_VOID = 97


_RETURN_PAYS: Final = (Move.RETURN_PAYS, Move.RETURN_PAYS_FROM_SUSPENSE)
_RETURN_BRINGS: Final = (Move.RETURN_BRINGS, Move.RETURN_BRINGS_TO_SUSPENSE)
_CREATED: Final = np.uint32(TransferStatus.CREATED)
_FILE_BITS: Final = 32
_SHARD_BITS: Final = 16
_SHARD_MASK: Final = 2**_SHARD_BITS - 1
_FILE_MASK: Final = 2**_FILE_BITS - 1
_CHAIN_FAILED: Final = np.uint32(TransferStatus.LINKED_EVENT_FAILED)


LEG: Final = np.dtype(
    [
        ("row", "<i8"),
        ("amount", "<u8"),
        ("trace", "<u8"),
        ("is_credit", "?"),
        ("originator", "<i4"),
        ("odfi", "<i4"),
        ("receiver", "<i4"),
        ("rdfi", "<i4"),
    ]
)
"""An entry to be moved: accounts are slots, institutions are indexes."""


class Legs(NamedTuple):
    """Entries of one file to be moved: rows of LEG. Of another shard's file, `of_shard` makes the number."""

    file: int
    rows: Rows

    def of(self, chosen: NDArray[np.bool_] | Places) -> "Legs":
        """Some of them."""
        return Legs(self.file, self.rows[chosen])


class Party(NamedTuple):
    """One side of a single entry: an account's slot, or -1 if there is none, and its institution."""

    account: int
    institution: int


def account_id(holder: Holder, number: int) -> int:
    """The id of an account: a deposit by its slot, the others by their institution's index."""
    return (RESERVED_BYTE << 120) | (holder << 112) | (number + 1)


def standing_number(shard: int, ledger: int) -> int:
    """The number of the account that stands for another shard in a ledger (`Holder.SHARD`)."""
    return ledger << _SHARD_BITS | shard


def open_accounts(
    ledger: Ledger, holder: Holder, numbers: Places, *, time_ns: int, limited: NDArray[np.bool_]
) -> None:
    """Open accounts; those that are `limited` never pay more than they have."""
    rows = np.zeros(numbers.size, ACCOUNT)
    rows["id_low"], rows["id_high"] = numbers + 1, _high(holder)
    rows["ledger"], rows["code"] = USD, holder
    rows["flags"] = np.where(limited, AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS, 0)
    results = ledger.create_accounts(rows, time_ns=time_ns)
    invariant(
        bool((results["status"] == AccountStatus.CREATED).all()), "nobody else has an account with a reserved id"
    )


def of_shard(file: int, shard: int) -> int:
    """The number of another shard's file, as it is in the ids of transfers here."""
    return shard + 1 << _FILE_BITS | file


def shard_of_file(transfer_id: int) -> int:
    """The shard whose file a transfer of an entry is for; -1 if it is of this one."""
    return (transfer_id >> 64 + _FILE_BITS & _SHARD_MASK) - 1


def reserve(ledger: Ledger, legs: Legs, held: NDArray[np.bool_], *, time_ns: int) -> NDArray[np.uint32]:
    """Make the originators' legs, pending, and held where the receiver is elsewhere; return a status each."""
    rows = _rows(legs, Move.ORIGINATOR_LEG)
    clearing = (_high(Holder.CLEARING), legs.rows["odfi"])
    originator = (_high(Holder.DEPOSIT), legs.rows["originator"])
    _put_accounts(rows, legs.rows["is_credit"], credit_flow=(originator, clearing))
    rows["flags"] = TransferFlags.PENDING
    statuses = np.empty(rows.size, "u4")
    statuses[~held] = ledger.create_transfers(rows[~held], time_ns=time_ns)["status"]
    statuses[held] = _hold(ledger, rows[held], time_ns=time_ns)
    return statuses


class Posted(NamedTuple):
    """What became of two linked legs: CREATED twice, or the reason and LINKED_EVENT_FAILED."""

    receiver: NDArray[np.uint32]
    originator: NDArray[np.uint32]

    @property
    def succeeded(self) -> NDArray[np.bool_]:
        """Those of which both legs were made."""
        return np.asarray(self.originator == _CREATED)

    @property
    def refused_by_receiver(self) -> NDArray[np.bool_]:
        """Those that the receiver's account refused."""
        return np.asarray((self.receiver != _CREATED) & (self.receiver != _CHAIN_FAILED))


def post(ledger: Ledger, legs: Legs, *, time_ns: int) -> Posted:
    """Make the receivers' legs and post the originators', linked."""
    rows = np.zeros(2 * legs.rows.size, TRANSFER)
    rows[0::2] = _receivers(legs)
    rows["flags"][0::2] = TransferFlags.LINKED
    rows[1::2] = _resolution(legs, Move.POST, TransferFlags.POST_PENDING_TRANSFER)
    statuses = ledger.create_transfers(rows, time_ns=time_ns)["status"]
    return Posted(statuses[0::2], statuses[1::2])


def void(ledger: Ledger, legs: Legs, *, time_ns: int) -> None:
    """Give back what the originators' legs reserved."""
    if legs.rows.size:
        rows = _resolution(legs, Move.VOID, TransferFlags.VOID_PENDING_TRANSFER)
        statuses = ledger.create_transfers(rows, time_ns=time_ns)["status"]
        invariant(bool((statuses == _CREATED).all()), "what is reserved can be given back")


def post_receivers(ledger: Ledger, legs: Legs, *, time_ns: int) -> tuple[NDArray[np.bool_], NDArray[np.uint32]]:
    """Make the receivers' legs alone; return which are refused, and a status each."""
    statuses = ledger.create_transfers(_receivers(legs), time_ns=time_ns)["status"]
    return np.asarray(statuses != _CREATED), statuses


def post_held(ledger: Ledger, legs: Legs, *, time_ns: int) -> None:
    """Post the originators' legs that are held."""
    _resolve_held(ledger, _resolution(legs, Move.POST, TransferFlags.POST_PENDING_TRANSFER), time_ns=time_ns)


def void_held(ledger: Ledger, legs: Legs, *, time_ns: int) -> None:
    """Give back what the originators' legs hold."""
    _resolve_held(ledger, _resolution(legs, Move.VOID, TransferFlags.VOID_PENDING_TRANSFER), time_ns=time_ns)


def clearing_balances(ledger: Ledger, institutions: int) -> NDArray[np.int64]:
    """What each institution owes the others: its credits less its debits, posted."""
    rows = _institution_accounts(ledger, Holder.CLEARING, institutions)
    return np.asarray(rows["credits_posted_low"].astype("i8") - rows["debits_posted_low"].astype("i8"))


def clearing_turnover(ledger: Ledger, institutions: int) -> NDArray[np.int64]:
    """All that was ever credited to each institution's clearing account."""
    return np.asarray(_institution_accounts(ledger, Holder.CLEARING, institutions)["credits_posted_low"], "i8")


def settle_net(ledger: Ledger, owed: NDArray[np.int64], *, window: int, time_ns: int) -> None:
    """Move each institution's net position between its settlement and its clearing account."""
    institutions = np.flatnonzero(owed)
    if not institutions.size:
        return
    rows = np.zeros(institutions.size, TRANSFER)
    rows["id_high"] = _high(Move.SETTLEMENT) | np.uint64(window)
    rows["id_low"] = institutions + 1
    net = owed[institutions]
    clearing, settlement = (_high(Holder.CLEARING), institutions), (_high(Holder.SETTLEMENT), institutions)
    _put_accounts(rows, net > 0, credit_flow=(clearing, settlement))
    rows["amount_low"] = np.abs(net)
    rows["user_data_64"] = window
    rows["ledger"], rows["code"] = USD, Move.SETTLEMENT
    statuses = ledger.create_transfers(rows, time_ns=time_ns)["status"]
    invariant(bool((statuses == _CREATED).all()), "net positions are settled", statuses=statuses.tolist())


def is_uncollected(ledger: Ledger, account: int, amount: int) -> bool:
    """True if an account holds the amount, but part of it is reserved by something pending."""
    row = lookup(ledger, Holder.DEPOSIT, np.array([account]))[0]
    return get(row, "credits_posted") - get(row, "debits_posted") >= amount


def lookup(ledger: Ledger, holder: Holder, numbers: Places) -> Rows:
    """The ledger's accounts of this kind."""
    ids = np.zeros(numbers.size, ID)
    ids["id_low"], ids["id_high"] = numbers + 1, _high(holder)
    return ledger.lookup_accounts(ids)


def pay_leg(
    ledger: Ledger,
    entry: tuple[int, int, int],
    party: Party,
    *,
    amount: int,
    time_ns: int,
    brings: bool,
) -> None:
    """One leg of a return: by the customer, or by the suspense account of its bank."""
    if not amount:
        return
    file, row, before = entry
    by_customer, by_bank = _RETURN_BRINGS if brings else _RETURN_PAYS
    choices = [(by_customer, Holder.DEPOSIT, party.account), (by_bank, Holder.SUSPENSE, party.institution)]
    for purpose, holder, number in choices if party.account >= 0 else choices[1:]:
        transfer = np.zeros(1, TRANSFER)
        transfer["id_high"] = _high(purpose) | np.uint64(file)
        transfer["id_low"] = row | before << 32
        customer = (_high(holder), np.array([number]))
        clearing = (_high(Holder.CLEARING), np.array([party.institution]))
        _put_accounts(transfer, np.array([brings]), credit_flow=(clearing, customer))
        transfer["amount_low"] = amount
        transfer["user_data_64"] = (file & _FILE_MASK) << 32 | row
        transfer["ledger"], transfer["code"] = USD, purpose
        if ledger.create_transfers(transfer, time_ns=time_ns)["status"][0] == _CREATED:
            return
    invariant(False, "a suspense account takes what it is given", entry=entry)


def _institution_accounts(ledger: Ledger, holder: Holder, institutions: int) -> Rows:
    return lookup(ledger, holder, np.arange(institutions))


_End = tuple[np.uint64, NDArray[np.int32] | Places]
"""The high word of some accounts' ids, and their numbers."""


def _high(purpose: Holder | Move) -> np.uint64:
    return np.uint64(RESERVED_BYTE << 56 | purpose << 48)


def _rows(legs: Legs, purpose: Move) -> Rows:
    rows = np.zeros(legs.rows.size, TRANSFER)
    rows["id_high"] = _high(purpose) | np.uint64(legs.file)
    rows["id_low"] = legs.rows["row"]
    rows["amount_low"] = legs.rows["amount"]
    rows["user_data_128_low"] = legs.rows["trace"]
    rows["user_data_64"] = np.uint64((legs.file & _FILE_MASK) << 32) | legs.rows["row"].astype("u8")
    rows["ledger"], rows["code"] = USD, purpose
    return rows


def _receivers(legs: Legs) -> Rows:
    rows = _rows(legs, Move.RECEIVER_LEG)
    clearing = (_high(Holder.CLEARING), legs.rows["rdfi"])
    receiver = (_high(Holder.DEPOSIT), legs.rows["receiver"])
    _put_accounts(rows, legs.rows["is_credit"], credit_flow=(clearing, receiver))
    return rows


def _resolve_held(ledger: Ledger, rows: Rows, *, time_ns: int) -> None:
    statuses = _hold(ledger, rows, time_ns=time_ns)
    invariant(bool((statuses == _CREATED).all()), "what is held is posted or voided", statuses=statuses.tolist())


def _hold(ledger: Ledger, rows: Rows, *, time_ns: int) -> NDArray[np.uint32]:
    """Hold, post or void rows of which both accounts are here; return a status each."""
    if not rows.size:
        return np.zeros(0, "u4")
    statuses: NDArray[np.uint32] = ledger.hold(rows, np.full((rows.size, 2), -1, "i8"), time_ns=time_ns)["status"]
    return statuses


def _resolution(legs: Legs, purpose: Move, flag: TransferFlags) -> Rows:
    """Rows that post or void what `reserve` made; all that they leave zero is that of the pending transfer."""
    rows = np.zeros(legs.rows.size, TRANSFER)
    rows["id_high"] = _high(purpose) | np.uint64(legs.file)
    rows["id_low"] = legs.rows["row"]
    rows["pending_id_high"] = _high(Move.ORIGINATOR_LEG) | np.uint64(legs.file)
    rows["pending_id_low"] = legs.rows["row"]
    rows["flags"] = flag
    rows["amount_low"] = legs.rows["amount"] if purpose is Move.POST else 0
    return rows


def _put_accounts(rows: Rows, is_credit: NDArray[np.bool_], *, credit_flow: tuple[_End, _End]) -> None:
    """Name the accounts: from the first end to the second where `is_credit`, else the other way."""
    (from_high, from_number), (to_high, to_number) = credit_flow
    rows["debit_account_id_high"] = np.where(is_credit, from_high, to_high)
    rows["debit_account_id_low"] = np.where(is_credit, from_number, to_number) + 1
    rows["credit_account_id_high"] = np.where(is_credit, to_high, from_high)
    rows["credit_account_id_low"] = np.where(is_credit, to_number, from_number) + 1
