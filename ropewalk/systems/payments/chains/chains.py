"""The part of payments that chains send their messages to: each is one transfer of the ledger.

It keeps nothing of its own: a transfer's id follows from the chain's and from what it is for, so the ledger itself
refuses to do any of it twice, whatever else has been forgotten.

Promise:    each message moves money at most once for its chain, for ever.
Checked by: tests/payments/chains/test_chains.py
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from ropewalk.core.codec import checksum, encode_value
from ropewalk.core.machine import Received, Saved
from ropewalk.core.place import Place
from ropewalk.errors import Rejected
from ropewalk.systems.payments.accounting import check_ids
from ropewalk.systems.payments.chains.messages import (
    GiveBack,
    Message,
    Pay,
    Release,
    Reserve,
    Settle,
    TakeBack,
    Transfer,
    decode,
)
from ropewalk.systems.payments.ledger.commands import Operation
from ropewalk.systems.payments.ledger.layout import (
    TRANSFER,
    WIDE_MAX,
    AccountFlags,
    Rows,
    TransferFlags,
    get,
    ids_of,
    put,
)
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.processing.books import RESERVED_BYTE, Move
from ropewalk.systems.payments.shards.addresses import own_accounts

NOT_ALLOWED: Final = "not_allowed"
"""The reply for accounts that only payments itself may move money over."""

_DIGEST_BYTES: Final = 14


class Chains:
    """That of one partition."""

    def __init__(self, ledger: Ledger, place: Place) -> None:
        self._ledger = ledger
        self._place = place

    def vet(self, command: bytes) -> None:
        """Raise Rejected: what a chain does to a ledger, no caller may."""
        del command
        raise Rejected("only the chain of a payment sends this: start a chain")

    def receive(self, received: Received, *, time_ns: int) -> bytes:
        """Do what a chain asks; the reply is what the ledger said of it."""
        message = decode(received.command)
        try:
            return encode_value(self._done(message, time_ns=time_ns))
        except Rejected:
            return encode_value(NOT_ALLOWED)

    def apply(self, commands: Sequence[bytes], *, time_ns: int) -> Sequence[bytes]:
        """Nothing is asked by callers."""
        raise Rejected(f"{len(commands)} messages of chains came from callers at {time_ns}: start a chain")

    def read(self, query: bytes) -> bytes:
        """Nothing is asked: the ledger has all that there is."""
        raise Rejected(f"chains answer no queries, and {query[:1].hex()} is one: ask for transfers")

    def work(self, *, time_ns: int) -> None:
        """Nothing is due by itself: the chain has the timers."""

    def wakes_at_ns(self, *, time_ns: int) -> int | None:
        """Never."""

    def save(self) -> Saved:
        """Nothing: all of it is in the ledger."""
        return Saved({})

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Nothing was saved."""

    def check(self) -> None:
        """Nothing is kept that could be wrong."""

    def _done(self, message: Message, *, time_ns: int) -> str:
        match message:
            case Reserve(chain, transfer):
                row = self._row(Move.CHAIN_RESERVE, chain, transfer)
                row["flags"] = TransferFlags.PENDING
            case Release(chain):
                row = self._resolution(Move.CHAIN_RELEASE, chain, TransferFlags.VOID_PENDING_TRANSFER)
            case Settle(chain):
                row = self._resolution(Move.CHAIN_SETTLE, chain, TransferFlags.POST_PENDING_TRANSFER)
                put(row[0], "amount", WIDE_MAX)
            case Pay(chain, transfer):
                row = self._row(Move.CHAIN_PAY, chain, transfer)
            case TakeBack(chain, transfer):
                return self._back(Move.CHAIN_TAKE_BACK, chain, transfer, time_ns=time_ns)
            case GiveBack(chain, transfer):
                return self._back(Move.CHAIN_GIVE_BACK, chain, transfer, time_ns=time_ns)
        return self._created(row, time_ns=time_ns)

    def _back(self, purpose: Move, chain: str, transfer: Transfer, *, time_ns: int) -> str:
        """A transfer that may be tried again: an id that the ledger refuses is used up, so it is looked at before."""
        row = self._row(purpose, chain, transfer)
        against = _against(self._ledger, row, time_ns=time_ns)
        return against.name.lower() if against is not None else self._created(row, time_ns=time_ns)

    def _created(self, row: Rows, *, time_ns: int) -> str:
        (status,) = self._ledger.create_transfers(row, time_ns=time_ns)["status"].tolist()
        return TransferStatus(status).name.lower()

    def _row(self, purpose: Move, chain: str, transfer: Transfer) -> Rows:
        """Raises Rejected for accounts that only payments itself may move money over."""
        rows = np.zeros(1, TRANSFER)
        row = rows[0]
        put(row, "debit_account_id", int.from_bytes(transfer.debit, "little"))
        put(row, "credit_account_id", int.from_bytes(transfer.credit, "little"))
        put(row, "amount", transfer.amount)
        row["ledger"], row["code"] = transfer.ledger, transfer.code
        check_ids(Operation.CREATE_TRANSFERS, rows)
        own = own_accounts(rows, self._place)
        put(own[0], "id", transfer_id(purpose, chain))
        return own

    def _resolution(self, purpose: Move, chain: str, flag: TransferFlags) -> Rows:
        """What a resolution leaves zero is that of the pending transfer."""
        rows = np.zeros(1, TRANSFER)
        put(rows[0], "id", transfer_id(purpose, chain))
        put(rows[0], "pending_id", transfer_id(Move.CHAIN_RESERVE, chain))
        rows["flags"] = flag
        return rows


def transfer_id(purpose: Move, chain: str) -> int:
    """The id of a transfer that a chain makes."""
    digest = checksum(chain.encode())[:_DIGEST_BYTES]
    return RESERVED_BYTE << 120 | purpose << 112 | int.from_bytes(digest, "little")


def _against(ledger: Ledger, row: Rows, *, time_ns: int) -> TransferStatus | None:
    """What the ledger would say against a plain transfer now, and might not later."""
    payer, payee = (ledger.lookup_accounts(_ids(row, side)) for side in ("debit_account_id", "credit_account_id"))
    if not payer.size:
        return TransferStatus.DEBIT_ACCOUNT_NOT_FOUND
    if not payee.size:
        return TransferStatus.CREDIT_ACCOUNT_NOT_FOUND
    if payer["flags"][0] & AccountFlags.CLOSED:
        return TransferStatus.DEBIT_ACCOUNT_ALREADY_CLOSED
    if payee["flags"][0] & AccountFlags.CLOSED:
        return TransferStatus.CREDIT_ACCOUNT_ALREADY_CLOSED
    amount = get(row[0], "amount")
    if _room(payer[0], ("debits", "credits"), AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS) < amount:
        return TransferStatus.EXCEEDS_CREDITS
    if _room(payee[0], ("credits", "debits"), AccountFlags.CREDITS_MUST_NOT_EXCEED_DEBITS) < amount:
        return TransferStatus.EXCEEDS_DEBITS
    debit, credit = (int(ledger.slots_of(_ids(row, side))[0]) for side in ("debit_account_id", "credit_account_id"))
    guarded = ledger.guards.against(debit, credit, amount, time_ns=time_ns)
    return None if guarded is TransferStatus.CREATED else guarded


def _room(account: np.void, sides: tuple[str, str], limit: AccountFlags) -> int:
    """How much more of the first side an account takes."""
    first, second = sides
    used = get(account, f"{first}_posted") + get(account, f"{first}_pending")
    return get(account, f"{second}_posted") - used if account["flags"] & limit else WIDE_MAX


def _ids(row: Rows, field: str) -> Rows:
    return ids_of([get(row[0], field)])
