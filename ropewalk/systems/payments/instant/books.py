"""How an instant payment moves money in the ledger: at once and gross, over what the banks have at the central bank.

    debtor ──100──► settlement of its bank        settlement of the creditor's bank ──100──► creditor

(an arrow goes from the account debited to the one credited). Both transfers are linked: one does not happen without
the other. Clearing accounts are left alone, since what is on them waits for a window and is settled net; an instant
payment is final when it is answered, so it moves the banks' own money with the customers'.

A payment that waits for a decision has its first transfer pending, so that the money can't be spent twice; the
decision posts it with the second one, or voids it. A return is the mirror image.

Ids follow from the UETR (and, of a return, its number), and the ledger never takes an id twice. So a payment moves
money at most once, for ever, whatever else has been forgotten of it.

Promise:    each move is all or nothing; no UETR moves money twice.
Not given:  a limit to what a bank's settlement account pays out: whoever runs the books sees to its liquidity.
Checked by: tests/payments/instant/test_properties.py, test_stories.py
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from ropewalk.core.codec import checksum
from ropewalk.errors import invariant
from ropewalk.systems.payments.ledger.layout import TRANSFER, AccountFlags, Rows, TransferFlags, get, ids_of, put
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.processing.books import RESERVED_BYTE, USD, Holder, Move, Party, account_id

_DIGEST_BYTES: Final = 14
"""What an id has room for behind the reserved byte and the purpose: 112 bits, and two payments in 2^56 share one."""


class Transfer(NamedTuple):
    """Money from one customer to another: of a payment, or of its return with this number, counted from 0."""

    uetr: str
    payer: Party
    payee: Party
    amount: int
    number: int = 0
    key: int = 0


class Moved(NamedTuple):
    """What the ledger knows of a transfer that has moved money."""

    payer: int
    payee: int
    amount: int
    key: int
    time_ns: int


def pay(ledger: Ledger, transfer: Transfer, *, time_ns: int) -> TransferStatus:
    """Move a payment's money now; CREATED if it has moved, else why not."""
    legs = [_out(transfer, Move.INSTANT_OUT), _in(transfer, Move.INSTANT_IN)]
    return _linked(ledger, legs, time_ns=time_ns)


def give_back(ledger: Ledger, transfer: Transfer, *, time_ns: int) -> TransferStatus:
    """Move a return's money now; CREATED if it has moved, else why not.

    It is found out before the ledger is asked: an id that the ledger has refused is used up, and a return that can't
    be paid today may be tomorrow.
    """
    status = _against(ledger, transfer, time_ns=time_ns)
    if status is not TransferStatus.CREATED:
        return status
    legs = [_out(transfer, Move.INSTANT_RETURN_OUT), _in(transfer, Move.INSTANT_RETURN_IN)]
    status = _linked(ledger, legs, time_ns=time_ns)
    invariant(status is TransferStatus.CREATED, "what nothing stands against is done", status=status.name)
    return status


def hold(ledger: Ledger, transfer: Transfer, *, time_ns: int) -> TransferStatus:
    """Reserve a payment's money at its payer; CREATED if it is, else why not."""
    leg = _out(transfer, Move.INSTANT_HOLD)
    leg["flags"] = TransferFlags.PENDING
    return _linked(ledger, [leg], time_ns=time_ns)


def post(ledger: Ledger, transfer: Transfer, *, time_ns: int) -> TransferStatus:
    """Move the money that is held; CREATED if it has moved, else why not: then it is still held."""
    resolved = _resolution(transfer, Move.INSTANT_POST, TransferFlags.POST_PENDING_TRANSFER)
    return _linked(ledger, [_in(transfer, Move.INSTANT_IN), resolved], time_ns=time_ns)


def void(ledger: Ledger, transfer: Transfer, *, time_ns: int) -> None:
    """Give back what is held."""
    resolved = _resolution(transfer, Move.INSTANT_VOID, TransferFlags.VOID_PENDING_TRANSFER)
    status = _linked(ledger, [resolved], time_ns=time_ns)
    invariant(status is TransferStatus.CREATED, "what is held can be given back", status=status.name)


def payment_moved(ledger: Ledger, uetr: str) -> Moved | None:
    """The payment with a UETR, if it has ever moved money."""
    arrived = ledger.lookup_transfers(ids_of([transfer_id(Move.INSTANT_IN, uetr, 0)]))
    if not arrived.size:
        return None
    # What left the payer is one transfer, or a pending one that was posted.
    purposes = (Move.INSTANT_OUT, Move.INSTANT_HOLD)
    left = ledger.lookup_transfers(ids_of([transfer_id(purpose, uetr, 0) for purpose in purposes]))
    return _joined(arrived[0], left[0])


def returns_moved(ledger: Ledger, uetr: str, *, count_max: int) -> list[Moved]:
    """The returns of a payment that have moved money, in order."""
    numbers = range(count_max)
    arrived, left = (
        ledger.lookup_transfers(ids_of([transfer_id(move, uetr, number) for number in numbers]))
        for move in (Move.INSTANT_RETURN_IN, Move.INSTANT_RETURN_OUT)
    )
    return [_joined(into, out) for into, out in zip(arrived, left, strict=True)]


def held(ledger: Ledger, institution: int) -> tuple[int, int]:
    """What is reserved for an institution's settlement account, and what of it is reserved for others."""
    rows = ledger.lookup_accounts(ids_of([account_id(Holder.SETTLEMENT, institution)]))
    return get(rows[0], "credits_pending"), get(rows[0], "debits_pending")


def _against(ledger: Ledger, transfer: Transfer, *, time_ns: int) -> TransferStatus:
    """What the ledger would say of a transfer from one customer to another."""
    ids = [account_id(Holder.DEPOSIT, party.account) for party in (transfer.payer, transfer.payee)]
    payer, payee = ledger.lookup_accounts(ids_of(ids))
    if payer["flags"] & AccountFlags.CLOSED:
        return TransferStatus.DEBIT_ACCOUNT_ALREADY_CLOSED
    if payee["flags"] & AccountFlags.CLOSED:
        return TransferStatus.CREDIT_ACCOUNT_ALREADY_CLOSED
    available = get(payer, "credits_posted") - get(payer, "debits_posted") - get(payer, "debits_pending")
    is_limited = bool(payer["flags"] & AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS)
    if is_limited and available < transfer.amount:
        return TransferStatus.EXCEEDS_CREDITS
    from_slot, to_slot = ledger.slots_of(ids_of(ids)).tolist()
    return ledger.guards.against(from_slot, to_slot, transfer.amount, time_ns=time_ns)


def _joined(into: np.void, out: np.void) -> Moved:
    """A transfer from its two halves: who paid says the one, who was paid the other."""
    return Moved(
        payer=_slot(get(out, "debit_account_id")),
        payee=_slot(get(into, "credit_account_id")),
        amount=get(into, "amount"),
        key=int(into["user_data_64"]),
        time_ns=int(into["timestamp"]),
    )


def _slot(account: int) -> int:
    return (account & 2**64 - 1) - 1


def _linked(ledger: Ledger, legs: Sequence[Rows], *, time_ns: int) -> TransferStatus:
    """Make all of some transfers; of those that refuse, the first whose own fault it is says why."""
    rows = np.concatenate(legs)
    rows["flags"][:-1] |= np.uint16(TransferFlags.LINKED)
    statuses = [TransferStatus(int(status)) for status in ledger.create_transfers(rows, time_ns=time_ns)["status"]]
    against = (status for status in statuses if status not in (TransferStatus.CREATED, _CHAIN_FAILED))
    return next(against, TransferStatus.CREATED)


_CHAIN_FAILED: Final = TransferStatus.LINKED_EVENT_FAILED


def _out(transfer: Transfer, purpose: Move) -> Rows:
    """From the customer who pays to its bank's settlement account."""
    customer = account_id(Holder.DEPOSIT, transfer.payer.account)
    return _row(transfer, purpose, (customer, account_id(Holder.SETTLEMENT, transfer.payer.institution)))


def _in(transfer: Transfer, purpose: Move) -> Rows:
    """From the settlement account of its bank to the customer who is paid."""
    customer = account_id(Holder.DEPOSIT, transfer.payee.account)
    return _row(transfer, purpose, (account_id(Holder.SETTLEMENT, transfer.payee.institution), customer))


def _resolution(transfer: Transfer, purpose: Move, flag: TransferFlags) -> Rows:
    row = _row(transfer, purpose, (0, 0))
    put(row[0], "pending_id", transfer_id(Move.INSTANT_HOLD, transfer.uetr, 0))
    row["flags"] = flag
    row["amount_low"] = transfer.amount if flag is TransferFlags.POST_PENDING_TRANSFER else 0
    # What a resolution leaves zero is that of the pending transfer; its code must be that or zero.
    row["code"], row["ledger"] = 0, 0
    return row


def _row(transfer: Transfer, purpose: Move, accounts: tuple[int, int]) -> Rows:
    rows = np.zeros(1, TRANSFER)
    row = rows[0]
    put(row, "id", transfer_id(purpose, transfer.uetr, transfer.number))
    put(row, "debit_account_id", accounts[0])
    put(row, "credit_account_id", accounts[1])
    put(row, "amount", transfer.amount)
    put(row, "user_data_128", int(transfer.uetr.replace("-", ""), 16))
    row["user_data_64"], row["ledger"], row["code"] = transfer.key, USD, purpose
    return rows


def transfer_id(purpose: Move, uetr: str, number: int) -> int:
    """The id of a transfer that a payment makes, or its return with this number."""
    counted = number.to_bytes(max(1, (number.bit_length() + 7) // 8), "little")
    digest = checksum(uetr.encode(), counted)[:_DIGEST_BYTES]
    return RESERVED_BYTE << 120 | purpose << 112 | int.from_bytes(digest, "little")
