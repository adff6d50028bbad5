"""A small bank that issues cards: one partition of payments, and a clock. Not a test."""

from collections.abc import Sequence

import numpy as np

from ropewalk.core.chain import Position
from ropewalk.core.machine import NO_ID, Batch, Message, Received, Request
from ropewalk.core.place import Place
from ropewalk.engines.memory import MemoryShelf
from ropewalk.systems.payments.cards.commands import (
    AnyCommand,
    AnyReply,
    IssueCards,
    NewCard,
    OpenProgramme,
    decode_reply,
    encode_command,
)
from ropewalk.systems.payments.cards.masking import masked
from ropewalk.systems.payments.cards.tokens import CardKey, card_number
from ropewalk.systems.payments.controls import messages as controls
from ropewalk.systems.payments.ledger.layout import ACCOUNT, TRANSFER, get, ids_of, rows_of
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.processing.books import USD, Holder, account_id
from ropewalk.systems.payments.processing.messages import (
    NewAccount,
    OpenAccounts,
    OpenInstitution,
    RestrictAccount,
)
from ropewalk.systems.payments.processing.messages import (
    encode_command as encode_ach,
)
from tests.payments.processing.town import HARBOR

KEY = CardKey(bytes(range(32)))
BIN = "400000"
DAY_NS = 86_400_000_000_000
NOON_NS = 20_782 * DAY_NS + DAY_NS // 2
"""25 November 2026, 12:00 UTC."""


def number_of(card: int, *, bin_: str = "400000") -> str:
    """The number of the n-th card of the bank."""
    return card_number(f"{bin_}{card:09}")


class Bank:
    """One partition of payments; every command is a batch unless it is given with others."""

    def __init__(self, place: Place | None = None) -> None:
        self.machine = PaymentsMachine(MemoryShelf(), place=place or Place("payments"))
        self.ledger = self.machine.accounting.ledger
        self.cards = self.machine.cards
        self.time_ns = NOON_NS
        self.sent: list[Message] = []
        self._position = 0
        self._accounts = 0
        self._funded = 0

    def open(self, *, hold_days: int = 7, stand_in_minor: int = 0, stand_in_day_minor: int = 0) -> AnyReply:
        """Open the institution, and its programme."""
        self._ach(OpenInstitution(HARBOR, "HARBOR"))
        return self.do(OpenProgramme(BIN, HARBOR, hold_days, stand_in_minor, stand_in_day_minor))

    def issue(
        self,
        card: int,
        *,
        account: str,
        expires: str = "2912",
        limit: int = 0,
        day_limit: int = 0,
        day_count: int = 0,
    ) -> AnyReply:
        """Issue the n-th card."""
        number = number_of(card)
        new = NewCard(KEY.token(number), masked(number), HARBOR, account, expires, limit, day_limit, day_count)
        return self.do(IssueCards([new], KEY.check))

    def account(self, number: str, cents: int, *, overdraft: bool = False) -> None:
        """Open an account with some money in it."""
        self._ach(OpenAccounts([NewAccount(HARBOR, number, overdraft=overdraft)]))
        slot, self._accounts = self._accounts, self._accounts + 1
        if cents:
            self._transfer(account_id(Holder.SETTLEMENT, 0), account_id(Holder.DEPOSIT, slot), cents)

    def restrict(self, number: str, restriction: str) -> None:
        """Restrict an account."""
        self._ach(RestrictAccount(HARBOR, number, restriction))

    def _transfer(self, debit: int, credit: int, cents: int, *, flags: int = 0) -> None:
        """A plain transfer."""
        self._funded += 1
        row = {"id": self._funded, "debit_account_id": debit, "credit_account_id": credit, "amount": cents}
        rows = rows_of(TRANSFER, [{**row, "ledger": USD, "code": 1, "flags": flags}])
        assert self.ledger.create_transfers(rows, time_ns=self.time_ns)["status"].tolist() == [0xFFFFFFFF]

    def control(self, command: controls.AnyCommand) -> controls.AnyReply:
        """Limit or freeze an account."""
        return controls.decode_reply(self._apply([controls.encode(command)])[0])

    def do(self, command: AnyCommand) -> AnyReply:
        """One command, and what becomes of it."""
        return self.batch([command])[0]

    def batch(self, commands: Sequence[AnyCommand]) -> list[AnyReply]:
        """Several commands in one batch."""
        return [decode_reply(reply) for reply in self._apply([encode_command(command) for command in commands])]

    def receive(self, received: Received) -> bytes:
        """A message from another partition."""
        (reply,) = self._apply([], [received])
        return reply

    def expire(self) -> None:
        """Let holds expire that are due."""
        self._apply([])

    def _apply(self, commands: Sequence[bytes], messages: Sequence[Received] = ()) -> list[bytes]:
        """A record of the log, as the machine sees it; what it sends is kept."""
        self._position += 1
        requests = [Request(NO_ID, command) for command in commands]
        outcome = self.machine.apply(Batch(Position(self._position), self.time_ns, requests, messages))
        self.sent += outcome.sent
        self.machine.check()
        return list(outcome.replies)

    def balance(self, slot: int) -> tuple[int, int]:
        """What a customer has, and what of it is held."""
        return self._of(account_id(Holder.DEPOSIT, slot))

    def spent(self) -> int:
        """What stands on the bank's cards account."""
        return self._of(account_id(Holder.CARDS, 0))[0]

    def suspense(self) -> int:
        """What the bank has paid for its customers, as a negative balance."""
        balance, held = self._of(account_id(Holder.SUSPENSE, 0))
        return balance - held

    def _ach(self, command: OpenInstitution | OpenAccounts | RestrictAccount) -> None:
        """A command of ACH processing."""
        self._apply([encode_ach(command)])

    def _of(self, account: int) -> tuple[int, int]:
        (row,) = self.ledger.lookup_accounts(ids_of([account]))
        return get(row, "credits_posted") - get(row, "debits_posted"), get(row, "debits_pending")


def total_of(bank: Bank) -> int:
    """All debits less all credits: zero."""
    rows = np.frombuffer(bank.ledger.save().parts["accounts"], ACCOUNT)
    return sum(get(row, "debits_posted") - get(row, "credits_posted") for row in rows)
