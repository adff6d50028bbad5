"""Reversals: what was moved goes back, whole or in parts, by a transfer whose id follows from the reversed one.

Reversals of a transfer are numbered, and the ledger is asked which there are. So no more goes back than came, for
ever, whatever else has been forgotten: what is held for another shard counts until it is voided.

Only what a caller moved can be reversed here. What ACH, instant payments, cards and chains have moved they give back
themselves, with their own messages: they must know of it.

Promise:    no more goes back than came; a reference goes back once.
Checked by: tests/payments/controls/test_reversals.py
"""

from typing import Final, NamedTuple

import numpy as np

from ropewalk.core.codec import checksum
from ropewalk.systems.payments.controls.limits import REVERSALS_MAX
from ropewalk.systems.payments.controls.messages import Refused, Reverse
from ropewalk.systems.payments.ledger.hot import ABSENT, HELD, PLAIN, POSTED, STATE_SHIFT
from ropewalk.systems.payments.ledger.layout import TRANSFER, AccountFlags, Rows, TransferFlags, get, ids_of, put
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.processing.books import RESERVED_BYTE, Holder, Move, account_id
from ropewalk.systems.payments.processing.directory import Directory
from ropewalk.systems.payments.shards.addresses import full_id, name_accounts, own_accounts, shard_of
from ropewalk.systems.payments.shards.coordinating import begin_each, subject_of
from ropewalk.systems.payments.shards.state import State
from ropewalk.systems.payments.shards.statuses import ShardStatus

_DIGEST_BYTES: Final = 14
_ID_DIGITS_MAX: Final = len(f"{2**128 - 1}")
_GOING: Final = (TransferStatus.CREATED, ShardStatus.PREPARED)
_UNUSED: Final = ABSENT >> STATE_SHIFT
_MOVES_NOTHING: Final = TransferFlags.VOID_PENDING_TRANSFER


class Original(NamedTuple):
    """A transfer that is to be reversed: its row, with ids as all shards know them."""

    row: np.void
    crosses: bool

    @property
    def payee(self) -> int:
        return get(self.row, "credit_account_id")


class Made(NamedTuple):
    """The reversals of a transfer: how much has gone back, by which references, and the number of the next."""

    amount: int
    keys: tuple[int, ...]
    next: int


def reverse(shards: State, directory: Directory, command: Reverse, *, time_ns: int) -> Rows | Refused:
    """Send money back; return the row that does, or why nothing does."""
    original = _original(shards, command.transfer_id)
    if isinstance(original, Refused):
        return original
    made, key = _made(shards.ledger, original), _key(command.reference)
    left = get(original.row, "amount") - made.amount
    amount = command.amount or left
    against = _against_amount(command, made, key=key, left=left)
    if against is not None:
        return against
    back = _row(original, made.next, amount=amount, key=key)
    own = own_accounts(back, shards.place)
    status: TransferStatus | ShardStatus = _against_payee(shards.ledger, own, time_ns=time_ns)
    if status is not TransferStatus.CREATED and command.from_suspense:
        suspense = _suspense_of(directory, get(own[0], "debit_account_id"))
        if suspense is None:
            return Refused("suspense", "the payee's account is of no institution: there is no suspense account")
        put(back[0], "debit_account_id", full_id(suspense, shards.place))
        own, status = own_accounts(back, shards.place), TransferStatus.CREATED
    if status is TransferStatus.CREATED:
        status = _move(shards, back, own, crosses=original.crosses, time_ns=time_ns)
    if status in _GOING:
        return back
    return Refused(status.name.lower(), f"{status.meaning} (for the payee, who is to pay it back)")


def _original(shards: State, text: str) -> Original | Refused:
    """The transfer that is named, if it can be reversed here."""
    place = shards.place
    # Python turns no text of thousands of digits into a number.
    if not (len(text) <= _ID_DIGITS_MAX and text.isascii() and text.isdigit() and 0 < int(text) < 2**128):
        shown = text[: _ID_DIGITS_MAX + 1]
        return Refused("transfer", f"{shown!r} is not the id of a transfer: a decimal number of up to 128 bits")
    ids = ids_of([int(text)])
    found = shards.ledger.lookup_transfers(ids)
    if not found.size:
        return Refused("unknown_transfer", f"there is no transfer {text} in {place.log_name}")
    if int(text) >> 120 == RESERVED_BYTE and int(text) >> 112 & 0xFF != Move.REVERSAL:
        return Refused("transfer", "payments made it: give it back as what it was, for example by a return")
    row = name_accounts(found, place)[0]
    home = shard_of(get(row, "credit_account_id"), place)
    crosses = shard_of(get(row, "debit_account_id"), place) != home
    state = shards.ledger.states_of(ids)[0]
    has_moved = state == PLAIN or (state == POSTED and crosses)
    if not has_moved or int(row["flags"]) & _MOVES_NOTHING:
        return Refused("transfer", "it has moved no money itself: name the transfer that posted it, if one did")
    if home != place.partition:
        return Refused("shard", f"the payee is kept in shard {home}: ask that one")
    return Original(row, crosses)


def _made(ledger: Ledger, original: Original) -> Made:
    """The reversals that there are, as the ledger knows them."""
    ids = ids_of([_id(original, number) for number in range(REVERSALS_MAX)])
    states = ledger.states_of(ids)
    rows = ledger.lookup_transfers(ids[np.isin(states, (PLAIN, HELD, POSTED))])
    unused = np.flatnonzero(states == _UNUSED)
    return Made(
        amount=sum(get(row, "amount") for row in rows),
        keys=tuple(rows["user_data_64"].tolist()),
        next=int(unused[0]) if unused.size else REVERSALS_MAX,
    )


def _against_amount(command: Reverse, made: Made, *, key: int, left: int) -> Refused | None:
    if key and key in made.keys:
        return Refused("exists", f"reference {command.reference!r} has gone back: what else does needs another one")
    if not 0 <= command.amount < 2**128:
        return Refused("amount", f"{command.amount} is no amount: a number of up to 128 bits, or 0 for what is left")
    if left == 0 or command.amount > left:
        return Refused("amount", f"{left} of the transfer is left to go back, and {made.amount} has gone back before")
    if made.next >= REVERSALS_MAX:
        return Refused("amount", f"there are {REVERSALS_MAX} reversals of the transfer, and no more can be")
    return None


def _against_payee(ledger: Ledger, own: Rows, *, time_ns: int) -> TransferStatus:
    """What the ledger would say of the payer of a reversal: an id that it refuses is used up."""
    account = get(own[0], "debit_account_id")
    row = ledger.lookup_accounts(ids_of([account]))[0]
    if int(row["flags"]) & AccountFlags.CLOSED:
        return TransferStatus.DEBIT_ACCOUNT_ALREADY_CLOSED
    amount = get(own[0], "amount")
    used = get(row, "debits_posted") + get(row, "debits_pending")
    is_limited = bool(int(row["flags"]) & AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS)
    if is_limited and get(row, "credits_posted") - used < amount:
        return TransferStatus.EXCEEDS_CREDITS
    payer, payee = ledger.slots_of(ids_of([account, get(own[0], "credit_account_id")])).tolist()
    return ledger.guards.against(payer, payee, amount, time_ns=time_ns)


def _suspense_of(directory: Directory, account: int) -> int | None:
    """The suspense account of the bank of a customer's account."""
    deposits = account_id(Holder.DEPOSIT, 0)
    if account >> 64 != deposits >> 64:
        return None
    return account_id(Holder.SUSPENSE, int(directory.accounts["institution"][account - deposits]))


def _move(shards: State, back: Rows, own: Rows, *, crosses: bool, time_ns: int) -> TransferStatus | ShardStatus:
    """The status of a reversal that is made, or begun where it crosses shards."""
    if not crosses:
        return TransferStatus(int(shards.ledger.create_transfers(own, time_ns=time_ns)["status"][0]))
    status = int(begin_each(shards, back, subject_of(back), time_ns=time_ns)["status"][0])
    return ShardStatus(status) if status in set(ShardStatus) else TransferStatus(status)


def _row(original: Original, number: int, *, amount: int, key: int) -> Rows:
    back = np.zeros(1, TRANSFER)
    put(back[0], "id", _id(original, number))
    put(back[0], "debit_account_id", original.payee)
    put(back[0], "credit_account_id", get(original.row, "debit_account_id"))
    put(back[0], "amount", amount)
    put(back[0], "user_data_128", get(original.row, "id"))
    back["user_data_64"] = key
    back["ledger"], back["code"] = original.row["ledger"], original.row["code"]
    return back


def _id(original: Original, number: int) -> int:
    """What an id has room for behind the reserved byte and the purpose: 112 bits of a hash."""
    digest = checksum(f"{get(original.row, 'id')}/{number}".encode())[:_DIGEST_BYTES]
    return RESERVED_BYTE << 120 | Move.REVERSAL << 112 | int.from_bytes(digest, "little")


def _key(reference: str) -> int:
    """64 bits of a reference, which the ledger keeps; 0 of none."""
    return int.from_bytes(checksum(reference.encode())[:8], "little") if reference else 0
