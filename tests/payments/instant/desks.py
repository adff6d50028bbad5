"""Where the banks of a story are asked: at one machine that keeps them all, or at some shards that keep them apart.

Not a test. `Apart` sends a message to the shard that it is for, as the REST interface does, delivers all mail that
waits, and takes the answer from the event that brings it.
"""

from typing import Protocol

import msgspec

from ropewalk.errors import Rejected
from ropewalk.systems.payments.instant import messages
from ropewalk.systems.payments.instant.answers import ANSWER
from ropewalk.systems.payments.instant.limits import PAYMENTS_KEPT, Terms
from ropewalk.systems.payments.instant.messages import AnyCommand, AnyReply, PaymentView
from ropewalk.systems.payments.instant.shards import subject_of, uetr_of, unsuited
from ropewalk.systems.payments.iso20022.model import CreditTransfer
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.processing import messages as ach
from ropewalk.systems.payments.processing.books import USD, Holder, account_id
from ropewalk.systems.payments.shards.addresses import full_id
from tests.payments.processing import town as one
from tests.payments.shards import town as some

SECOND_NS = 1_000_000_000
_WORDS = {"instant_post": "instant_out", "instant_in_post": "instant_in"}
"""What a statement calls a payment between shards, and what it calls one within a shard."""


class Desk(Protocol):
    """Where a story's banks are asked."""

    def wait(self, seconds: int) -> None:
        """Let time pass, doing what is due on the way."""
        ...

    def change(self, command: ach.AnyCommand) -> None:
        """Open or restrict something."""
        ...

    def look(self, query: ach.AnyQuery) -> bytes:
        """The answer to a query about accounts and institutions."""
        ...

    def fund(self, number: int, cents: int) -> None:
        """Pay cash into the account that was opened with that number, from the bank that was opened first."""
        ...

    def send(self, command: AnyCommand) -> AnyReply:
        """What becomes of a command about instant payments."""
        ...

    def read(self, query: messages.AnyQuery) -> bytes:
        """The answer to a query about instant payments."""
        ...


class Together:
    """One machine, which keeps the words of so many payments."""

    def __init__(self, kept: int = PAYMENTS_KEPT) -> None:
        self.town = one.Town()
        self.town.machine = PaymentsMachine(self.town.shelf, terms=Terms(payments_kept=kept))

    def wait(self, seconds: int) -> None:
        town = self.town
        until_ns = town.time_ns + seconds * SECOND_NS
        while town.wakes_at_ns is not None and town.wakes_at_ns <= until_ns:
            town.time_ns = max(town.time_ns, town.wakes_at_ns)
            town.batch([])
        town.time_ns = until_ns

    def change(self, command: ach.AnyCommand) -> None:
        self.town.do(command)

    def look(self, query: ach.AnyQuery) -> bytes:
        return self.town.ask(query)

    def fund(self, number: int, cents: int) -> None:
        self.town.fund(number, cents)

    def send(self, command: AnyCommand) -> AnyReply:
        return messages.decode_reply(self.town.batch([messages.encode_command(command)])[0])

    def read(self, query: messages.AnyQuery) -> bytes:
        return self.town.machine.read(messages.encode_query(query))


class Apart:
    """Two shards, of which one keeps Harbor and the other Meadow. Mail waits unless it `delivers`."""

    def __init__(self, kept: int = PAYMENTS_KEPT, *, shards: int = 2) -> None:
        self.town = some.Town(shards, terms=Terms(payments_kept=kept))
        self.delivers = True
        self._accounts: list[tuple[int, int]] = []

    def wait(self, seconds: int) -> None:
        self.town.wait(seconds)
        if self.delivers:
            self.town.settle()

    def change(self, command: ach.AnyCommand) -> None:
        match command:
            case ach.OpenAccounts(accounts):
                shard = self.home(accounts[0].routing)
                number = len([each for each in self._accounts if each[0] == shard])
                self._accounts += [(shard, number + each) for each in range(len(accounts))]
            case ach.OpenInstitution(routing) | ach.RestrictAccount(routing):
                shard = self.home(routing)
        self.town.ask(shard, ach.encode_command(command))

    def look(self, query: ach.AnyQuery) -> bytes:
        if isinstance(query, ach.GetAccount):
            return self._machine(self.home(query.routing)).read(ach.encode_query(query))
        if isinstance(query, ach.GetStatement):
            return self._statement(query)
        listed = [msgspec.msgpack.decode(self._machine(each).read(ach.encode_query(query))) for each in self.all()]
        return msgspec.msgpack.encode([row for rows in listed for row in rows])

    def fund(self, number: int, cents: int) -> None:
        shard, slot = self._accounts[number]
        place = self.town.shards[shard].place
        bank, customer = (
            full_id(account_id(holder, each), place)
            for holder, each in ((Holder.SETTLEMENT, 0), (Holder.DEPOSIT, slot))
        )
        told = self.town.pay(shard, some.transfer(number + 1, bank, customer, cents, ledger=USD))
        assert told == ["created"], told

    def send(self, command: AnyCommand) -> AnyReply:
        shard = self.shard_for(command)
        (encoded,) = self.town.ask(shard, messages.encode_command(command))
        reply = messages.decode_reply(encoded)
        if not self.delivers:
            return reply
        self.town.settle()
        if isinstance(reply, messages.Answered) and reply.is_asking:
            assert not isinstance(command, messages.SetPolicy)
            return self.answers(shard, subject_of(command))[-1]
        return reply

    def read(self, query: messages.AnyQuery) -> bytes:
        uetr = query.message.original.uetr if isinstance(query, messages.AskStatus) else ""
        uetr = uetr or getattr(query, "uetr", "")
        return self._machine(self._one_of(uetr, "in")).read(messages.encode_query(query))

    def answers(self, shard: int, subject: str) -> list[AnyReply]:
        """What the events of a shard answered about a subject, in order."""
        events = self.town.shards[shard].events
        return [messages.decode_reply(each.data) for each in events if (each.kind, each.subject) == (ANSWER, subject)]

    def shard_for(self, command: AnyCommand) -> int:
        """The shard that a command is for."""
        match command:
            case messages.SetPolicy():
                return self.home(command.routing)
            case messages.Take(CreditTransfer() as transfer):
                return self.home(transfer.debtor_agent.routing)
            case _:
                return self._one_of(uetr_of(command), unsuited(command))

    def home(self, routing: str) -> int:
        """The shard of a bank."""
        return self.town.shards[0].place.partition_of(routing)

    def all(self) -> range:
        return range(len(self.town.shards))

    def view(self, shard: int, uetr: str) -> PaymentView | None:
        """A payment as a shard sees it; None if it does not know it."""
        try:
            answer = self._machine(shard).read(messages.encode_query(messages.GetPayment(uetr)))
        except Rejected:
            return None
        return msgspec.msgpack.decode(answer, type=PaymentView)

    def _one_of(self, uetr: str, unsuited_direction: str) -> int:
        """A shard that knows a payment and does not see it go in that direction; the first if there is none."""
        views = ((shard, self.view(shard, uetr)) for shard in self.all())
        return next((shard for shard, view in views if view and view.direction != unsuited_direction), 0)

    def _machine(self, shard: int) -> PaymentsMachine:
        return self.town.shards[shard].machine

    def _statement(self, query: ach.GetStatement) -> bytes:
        """A statement in the words of one machine: what was held is left out."""
        statement = msgspec.msgpack.decode(self._machine(self.home(query.routing)).read(ach.encode_query(query)))
        lines = [line | {"what": _WORDS.get(line["what"], line["what"])} for line in statement["lines"]]
        return msgspec.msgpack.encode(statement | {"lines": [line for line in lines if not line["pending"]]})
