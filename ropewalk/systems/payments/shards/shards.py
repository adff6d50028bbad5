"""What is between the shards of payments, as a part of one of them: transactions, and reads that look at several.

Messages and replies come from partitions of the same service; what callers may ask is `CreateTogether` and queries.

Promise:    a transfer between shards moves in both or in neither, once by its id, for ever; whatever is killed, all
            shards end with one outcome once they are up and hear each other.
Not given:  an outcome in bounded time while the coordinator is away: what is held stays held.
Checked by: tests/payments/shards/test_properties.py, test_crashes.py, test_kills.py
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np

from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Message, Received, Saved
from ropewalk.core.place import Place
from ropewalk.errors import Rejected, invariant
from ropewalk.systems.payments.accounting import check_ids
from ropewalk.systems.payments.ledger.commands import Operation, decode_rows
from ropewalk.systems.payments.ledger.layout import ID, Rows
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.parts import Outgoing
from ropewalk.systems.payments.shards.addresses import to_short
from ropewalk.systems.payments.shards.coordinating import (
    NUMBER_MASK,
    begin_together,
    count_vote,
    give_up_overdue,
    subject_of,
)
from ropewalk.systems.payments.shards.limits import Patience
from ropewalk.systems.payments.shards.messages import (
    SHARDS,
    AnyReply,
    CutAnswer,
    Decide,
    Guarded,
    GuardedAnswer,
    Held,
    Holds,
    Inquire,
    IsDecided,
    Outcome,
    Prepare,
    TakeCut,
    Vote,
    decode_command,
    decode_message,
    decode_query,
    decode_reply,
)
from ropewalk.systems.payments.shards.participating import (
    ask_overdue,
    do_as_decided,
    hear_outcome,
    prepare,
    tell_outcome,
)
from ropewalk.systems.payments.shards.state import State

_PENDING: Final = ("debits_pending_low", "debits_pending_high", "credits_pending_low", "credits_pending_high")


class Shards:
    """Those of one partition. `answer` is how its machine answers a query that is part of another one."""

    def __init__(
        self,
        ledger: Ledger,
        place: Place,
        *,
        outgoing: Outgoing,
        patience: Patience,
        answer: Callable[[bytes], bytes],
    ) -> None:
        self.state = State(ledger, place, outgoing=outgoing, patience=patience)
        self._ledger = ledger
        self._answer = answer

    def vet(self, command: bytes) -> None:
        """Raise Rejected unless it is a caller's command, whose rows can be read and leave alone what is kept."""
        check_ids(Operation.CREATE_TRANSFERS, decode_rows(Operation.CREATE_TRANSFERS, decode_command(command).rows))

    def work(self, *, time_ns: int) -> None:
        """Decide what has waited for votes too long, and ask about what is held for too long."""
        give_up_overdue(self.state, time_ns=time_ns)
        ask_overdue(self.state, time_ns=time_ns)

    def receive(self, received: Received, *, time_ns: int) -> bytes:
        """Do what another shard's message asks, or take note of its answer."""
        shard = int(received.sender.rpartition("/")[2])
        if received.is_reply:
            self._hear(shard, decode_reply(received.command), time_ns=time_ns)
            return b""
        match decode_message(received.command):
            case Prepare() as message:
                return encode_value(prepare(self.state, shard, message, time_ns=time_ns))
            case Decide() as message:
                do_as_decided(self.state, shard, message, time_ns=time_ns)
                return b""
            case Inquire() as message:
                return encode_value(tell_outcome(self.state, message))

    def apply(self, commands: Sequence[bytes], *, time_ns: int) -> Sequence[bytes]:
        """Begin a transaction for each command; return its results, as of a request to create transfers."""
        replies = []
        for command in commands:
            rows = decode_rows(Operation.CREATE_TRANSFERS, decode_command(command).rows)
            replies.append(begin_together(self.state, rows, subject_of(rows), time_ns=time_ns).tobytes())
        return replies

    def wakes_at_ns(self, *, time_ns: int) -> int | None:
        """When a decision or a question is due, whatever the time is now."""
        del time_ns
        times = [each.deadline_ns for _, each in zip(range(1), self.state.own.values(), strict=False)]
        times += [each.asks_ns for _, each in zip(range(1), self.state.promised.values(), strict=False)]
        return min(times, default=None)

    def read(self, query: bytes) -> bytes:
        """Answer a query, or one inside it with what must be known beside. Raises Rejected if it can't be read."""
        state = self.state
        match decode_query(query):
            case IsDecided(number):
                is_open = any(each & NUMBER_MASK == number & NUMBER_MASK for each in state.own)
                return encode_value(Outcome(number, not is_open))
            case Holds(coordinator, number):
                return encode_value((coordinator, number) in state.promised)
            case Guarded(inner, accounts):
                return encode_value(self._guarded(inner, np.frombuffer(accounts, ID)))
            case TakeCut(inner):
                return encode_value(CutAnswer(self._inner(inner), state.sent, state.taken))

    def count_mail(self, taken: Sequence[Received], sent: Sequence[Message]) -> None:
        """Take note of the messages of a batch, as the mailboxes of both sides do."""
        counts = self.state
        for received in taken:
            counts.taken[received.sender] = counts.taken.get(received.sender, 0) + 1
            if received.tag and not received.is_reply:
                counts.sent[received.sender] = counts.sent.get(received.sender, 0) + 1
        for message in sent:
            counts.sent[message.to] = counts.sent.get(message.to, 0) + 1

    def _inner(self, query: bytes) -> bytes:
        if query[:1] == SHARDS:
            raise Rejected("a query about shards can't be inside another one")
        return self._answer(query)

    def _guarded(self, inner: bytes, accounts: Rows) -> GuardedAnswer:
        """The answer, and what is held on accounts (rows of ID, in full) by other shards' transactions, or at all."""
        wanted = accounts.copy()
        wanted["id_high"] = to_short(wanted["id_high"], self.state.place)
        held = [
            Held(coordinator, number)
            for (coordinator, number), promised in self.state.promised.items()
            if np.isin(self.state.holds.accounts(promised.holding), wanted).any()
        ]
        found = self._ledger.lookup_accounts(wanted)
        has_pending = any(found[column].any() for column in _PENDING)
        return GuardedAnswer(self._inner(inner), held, has_pending)

    def save(self) -> Saved:
        """All of it but the ledger."""
        return Saved(self.state.save())

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved, over the ledger that was loaded."""
        self.state.load(parts)

    def check(self) -> None:
        """Raise Bug if there are more open transactions than may be."""
        count = len(self.state.own)
        invariant(count <= self.state.patience.undecided_max, "what is undecided is bounded", count=count)

    def _hear(self, shard: int, reply: AnyReply, *, time_ns: int) -> None:
        match reply:
            case Vote():
                count_vote(self.state, shard, reply, time_ns=time_ns)
            case Outcome():
                hear_outcome(self.state, shard, reply)
