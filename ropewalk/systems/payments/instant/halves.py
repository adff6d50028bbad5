"""How a payment between two shards moves money: each shard moves its half, held first and then posted or given back.

    debtor's shard      debtor ──100──► settlement of its bank
    creditor's shard    settlement of the creditor's bank ──100──► creditor

These are the two transfers of a payment within one shard (`books`), and both accounts of each are kept in its shard:
so the books of each shard balance, and what all banks have at the central bank stays what it was. What is held is
held as by every two-phase commit (`Ledger.hold`): nobody else resolves it, and it is posted whatever has become of
its accounts.

A row keeps which shard has the other half, and 64 bits of who is there: so a payment whose words were let go is still
known, and to be returned or recalled.

Promise:    a half moves at most once, for ever: ids follow from the UETR, and of a return from its number too.
Checked by: tests/payments/instant/test_elsewhere.py, test_elsewhere_properties.py
"""

from typing import Final, NamedTuple

import numpy as np

from ropewalk.core.codec import checksum
from ropewalk.errors import invariant
from ropewalk.systems.payments.instant.books import Moved, transfer_id
from ropewalk.systems.payments.ledger.layout import TRANSFER, Rows, TransferFlags, get, ids_of, put
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.processing.books import USD, Holder, Move, Party, account_id

_HERE: Final = np.full((1, 2), -1, "i8")
"""Both accounts of a half are kept where it is: nothing stands for one of them."""


class Side(NamedTuple):
    """Which half it is: the purposes of its transfers, and whether the customer pays."""

    hold: Move
    post: Move
    void: Move
    pays: bool


PAYS: Final = Side(Move.INSTANT_HOLD, Move.INSTANT_POST, Move.INSTANT_VOID, pays=True)
IS_PAID: Final = Side(Move.INSTANT_IN_HOLD, Move.INSTANT_IN_POST, Move.INSTANT_IN_VOID, pays=False)
PAYS_BACK: Final = Side(
    Move.INSTANT_RETURN_OUT_HOLD, Move.INSTANT_RETURN_OUT_POST, Move.INSTANT_RETURN_OUT_VOID, pays=True
)
IS_PAID_BACK: Final = Side(
    Move.INSTANT_RETURN_IN_HOLD, Move.INSTANT_RETURN_IN_POST, Move.INSTANT_RETURN_IN_VOID, pays=False
)


class Half(NamedTuple):
    """A half that moves here: `peer` has the other one. Attempts at returns are counted from 1 by who pays."""

    uetr: str
    side: Side
    party: Party
    amount: int
    peer: int
    key: int
    attempt: int = 0


class HalfMoved(NamedTuple):
    """What the ledger knows of a half that has moved; -1 stands for the party that is elsewhere."""

    moved: Moved
    peer: int


def hold_half(ledger: Ledger, half: Half, *, time_ns: int) -> TransferStatus:
    """Hold what it moves; CREATED if it is held, else why not: then this attempt is over for ever."""
    rows = _row(half, half.side.hold, number=half.attempt)
    bank, customer = (
        account_id(Holder.SETTLEMENT, half.party.institution),
        account_id(Holder.DEPOSIT, half.party.account),
    )
    put(rows[0], "debit_account_id", customer if half.side.pays else bank)
    put(rows[0], "credit_account_id", bank if half.side.pays else customer)
    rows["amount_low"], rows["flags"] = half.amount, TransferFlags.PENDING
    rows["ledger"], rows["code"] = USD, half.side.hold
    return _made(ledger, rows, time_ns=time_ns)


def post_half(ledger: Ledger, half: Half, *, number: int = 0, time_ns: int) -> None:
    """Move what is held: of a return as the one with this number."""
    rows = _row(half, half.side.post, number=number)
    rows["amount_low"], rows["flags"] = half.amount, TransferFlags.POST_PENDING_TRANSFER
    _resolve(ledger, half, rows, time_ns=time_ns)


def void_half(ledger: Ledger, half: Half, *, time_ns: int) -> None:
    """Give back what is held."""
    rows = _row(half, half.side.void, number=half.attempt)
    rows["flags"] = TransferFlags.VOID_PENDING_TRANSFER
    _resolve(ledger, half, rows, time_ns=time_ns)


def half_moved(ledger: Ledger, uetr: str) -> HalfMoved | None:
    """The payment with a UETR, if half of it has ever moved here."""
    purposes = (Move.INSTANT_POST, Move.INSTANT_IN_POST)
    rows = ledger.lookup_transfers(ids_of([transfer_id(purpose, uetr, 0) for purpose in purposes]))
    return _moved(rows[0]) if rows.size else None


def half_returns_moved(ledger: Ledger, uetr: str, *, count_max: int) -> list[HalfMoved]:
    """The returns of a payment of which half has moved here, in order."""
    purposes = (Move.INSTANT_RETURN_OUT_POST, Move.INSTANT_RETURN_IN_POST)
    ids = [transfer_id(purpose, uetr, number) for purpose in purposes for number in range(count_max)]
    return [_moved(row) for row in ledger.lookup_transfers(ids_of(ids))]


def far_key(routing: str, account: str) -> int:
    """64 bits of who is at the other end, by the bank and the number of the account there."""
    return int.from_bytes(checksum(routing.encode(), account.encode())[:8], "little")


def _resolve(ledger: Ledger, half: Half, rows: Rows, *, time_ns: int) -> None:
    put(rows[0], "pending_id", transfer_id(half.side.hold, half.uetr, half.attempt))
    status = _made(ledger, rows, time_ns=time_ns)
    invariant(status is TransferStatus.CREATED, "what is held is posted or given back", status=status.name)


def _made(ledger: Ledger, rows: Rows, *, time_ns: int) -> TransferStatus:
    return TransferStatus(int(ledger.hold(rows, _HERE, time_ns=time_ns)["status"][0]))


def _row(half: Half, purpose: Move, *, number: int) -> Rows:
    """What a resolution leaves zero (accounts, ledger, code) is that of the transfer that is held."""
    rows = np.zeros(1, TRANSFER)
    put(rows[0], "id", transfer_id(purpose, half.uetr, number))
    put(rows[0], "user_data_128", int(half.uetr.replace("-", ""), 16))
    rows["user_data_64"], rows["user_data_32"] = half.key, half.peer + 1
    return rows


def _moved(row: np.void) -> HalfMoved:
    pays = get(row, "id") >> 112 & 0xFF in (Move.INSTANT_POST, Move.INSTANT_RETURN_OUT_POST)
    slot = (get(row, "debit_account_id" if pays else "credit_account_id") & 2**64 - 1) - 1
    payer, payee = (slot, -1) if pays else (-1, slot)
    moved = Moved(payer, payee, get(row, "amount"), int(row["user_data_64"]), int(row["timestamp"]))
    return HalfMoved(moved, int(row["user_data_32"]) - 1)
