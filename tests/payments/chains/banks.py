"""Two institutions in two shards of payments, and the chains between them: joined, each of which can crash."""

import msgspec

from ropewalk.coordination.sagas.messages import GetSaga, Start
from ropewalk.core.place import Place
from ropewalk.runtime.service import Service
from ropewalk.systems.payments.chains.service import Chain, with_chains
from ropewalk.systems.payments.ledger.commands import Operation, decode_reply, encode
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, AccountFlags, get, ids_of, rows_of
from ropewalk.systems.payments.ledger.statuses import AccountStatus, TransferStatus
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.shards.addresses import shard_of
from tests.coordination.joined import Joined

SAGAS = "payments-sagas"
SHARDS = 2
FUNDS = 100
LIMITED = AccountFlags.DEBITS_MUST_NOT_EXCEED_CREDITS


def account(number: int, shard: int) -> int:
    """An id whose account is kept in that shard."""
    place = Place("payments", 0, SHARDS)
    return next(half for half in range(1, 1_000) if shard_of(half << 64, place) == shard) << 64 | number


PAYER, PAYER_BANK, CASH = (account(number, 0) for number in (1, 2, 3))
PAYEE, PAYEE_BANK, SHOP = (account(number, 1) for number in (1, 2, 3))


class Banks:
    """The payer has 100; both banks' accounts are without limit."""

    def __init__(self) -> None:
        def machine(shelf: object, place: Place) -> PaymentsMachine:
            return PaymentsMachine(shelf, place=place)  # type: ignore[arg-type]

        self.joined = Joined(with_chains(Service("payments", machine, partitions=SHARDS)))
        for shard, (customer, *others) in enumerate(((PAYER, PAYER_BANK, CASH), (PAYEE, PAYEE_BANK, SHOP))):
            self._open(shard, customer, flags=LIMITED)
            for each in others:
                self._open(shard, each)
        assert self.pay(0, 900, CASH, PAYER, FUNDS) is TransferStatus.CREATED

    def pay(self, shard: int, id_: int, debit: int, credit: int, amount: int) -> TransferStatus:
        """A plain transfer."""
        row = {"id": id_, "debit_account_id": debit, "credit_account_id": credit, "amount": amount}
        command = encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, [row | {"ledger": 1, "code": 1}]))
        reply = self.joined.submit(f"payments/{shard}", command)
        return TransferStatus(int(decode_reply(Operation.CREATE_TRANSFERS, reply)["status"][0]))

    def start(self, id_: str, amount: int, **more: object) -> dict[str, str]:
        """Start a chain from the payer to the payee."""
        chain = msgspec.to_builtins(Chain(id_, str(PAYER), str(PAYER_BANK), str(PAYEE_BANK), str(PAYEE), amount))
        reply: dict[str, str] = self.joined.call(SAGAS, Start(id_, "chain", chain | more))
        return reply

    def view(self, id_: str) -> dict[str, object]:
        """A chain as it is."""
        shown: dict[str, object] = self.joined.read(SAGAS, GetSaga(id_))
        return shown

    def state(self, id_: str) -> str:
        """How a chain is, in a word."""
        summary = self.view(id_)["summary"]
        assert isinstance(summary, dict)
        return str(summary["state"])

    def balance(self, account_id: int) -> tuple[int, int]:
        """What an account has, and what of it is pending."""
        shard = shard_of(account_id, Place("payments", 0, SHARDS))
        machine = self.joined.partitions[f"payments/{shard}"].machine
        (row,) = decode_reply(
            Operation.LOOKUP_ACCOUNTS, machine.read(encode(Operation.LOOKUP_ACCOUNTS, ids_of([account_id])))
        )
        return get(row, "credits_posted") - get(row, "debits_posted"), get(row, "debits_pending")

    def _open(self, shard: int, id_: int, *, flags: int = 0) -> None:
        row = {"id": id_, "ledger": 1, "code": 1, "flags": flags}
        reply = self.joined.submit(f"payments/{shard}", encode(Operation.CREATE_ACCOUNTS, rows_of(ACCOUNT, [row])))
        assert decode_reply(Operation.CREATE_ACCOUNTS, reply)["status"][0] == AccountStatus.CREATED
