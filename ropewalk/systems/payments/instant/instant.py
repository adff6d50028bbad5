"""Instant payments as a part of one partition of payments: driven by commands and by the time.

    requests   ─► Take a message · Decide · DecideRecall · SetPolicy ─► the message that answers
    each batch ─► reject what has waited for too long
    events     ◄─ instant.payment · instant.return · instant.recall: the message that tells of it
    messages   ◄► the shard of the other bank, if that is kept in another (`elsewhere`)

Promise:    a UETR moves money at most once, for ever; what waits is decided or rejected in time; every cent that
            waits is reserved, and no more goes back than came (`check`).
            A payment between two shards moves in both or in neither.
Checked by: tests/payments/instant/test_instant.py, test_stories.py, test_properties.py, test_elsewhere.py
"""

from collections.abc import Mapping, Sequence
from typing import Final

from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Received, Saved
from ropewalk.core.place import Place
from ropewalk.systems.payments.instant.deadlines import time_out
from ropewalk.systems.payments.instant.elsewhere import decode_message
from ropewalk.systems.payments.instant.hearing import hear
from ropewalk.systems.payments.instant.limits import USUAL_TERMS, Terms
from ropewalk.systems.payments.instant.messages import (
    Answered,
    AnyReply,
    Decide,
    DecideRecall,
    PolicySet,
    Refused,
    SetPolicy,
    Take,
    decode_command,
    decode_query,
)
from ropewalk.systems.payments.instant.paying import against_words, decide, take_payment
from ropewalk.systems.payments.instant.queries import answer
from ropewalk.systems.payments.instant.recalling import decide_recall, take_recall
from ropewalk.systems.payments.instant.record import USUAL_POLICY, Policy, Record
from ropewalk.systems.payments.instant.refusals import account_of
from ropewalk.systems.payments.instant.returning import take_return
from ropewalk.systems.payments.instant.shards import against_shard, with_asking
from ropewalk.systems.payments.iso20022.model import (
    Agent,
    CancellationRequest,
    CreditTransfer,
    PaymentReturn,
    Resolution,
    StatusReport,
)
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.parts import Outgoing
from ropewalk.systems.payments.processing.directory import Directory

ARRIVALS: Final = ("accept", "ask")
RECALLS: Final = ("ask", "accept", "refuse")


class Instant:
    """Everything that is an instant payment, over a ledger and a directory that others use too."""

    def __init__(
        self,
        ledger: Ledger,
        directory: Directory,
        *,
        place: Place,
        outgoing: Outgoing,
        terms: Terms = USUAL_TERMS,
    ) -> None:
        self._record = Record(ledger, directory, place=place, outgoing=outgoing, terms=terms)

    def vet(self, command: bytes) -> None:
        """Raise Rejected unless the command can be read."""
        decode_command(command)

    def work(self, *, time_ns: int) -> None:
        """Reject what has waited for too long."""
        time_out(self._record, time_ns=time_ns)

    def receive(self, received: Received, *, time_ns: int) -> bytes:
        """Do what the shard of another bank asks, or as it has decided."""
        shard = int(received.sender.rpartition("/")[2])
        hear(self._record, shard, decode_message(received.command), time_ns=time_ns)
        return b""

    def apply(self, commands: Sequence[bytes], *, time_ns: int) -> Sequence[bytes]:
        """Do what each command asks and return the encoded replies. Raises Rejected if one can't be read."""
        return [encode_value(self._reply(command, time_ns)) for command in commands]

    def wakes_at_ns(self, *, time_ns: int) -> int | None:
        """When the time of the next payment is up, whatever it is now; None if none waits."""
        del time_ns
        first = self._record.waiting.first()
        return None if first is None else first.time_ns

    def read(self, query: bytes) -> bytes:
        """Answer a query. Raises Rejected if it can't be read, or names what is not there."""
        return encode_value(answer(self._record, decode_query(query)))

    def save(self) -> Saved:
        """All of it but the ledger and the directory."""
        return Saved(self._record.save())

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        self._record.load(parts)

    def check(self) -> None:
        """Raise Bug if a cent that waits is not reserved, or more went back than came."""
        self._record.check()

    def _reply(self, encoded: bytes, time_ns: int) -> AnyReply:
        record = self._record
        match decode_command(encoded):
            case SetPolicy() as command:
                return _set_policy(record, command)
            case command:
                against = against_shard(record, command)
                return against or with_asking(record, command, _done(record, command, time_ns=time_ns))


def _done(record: Record, command: Take | Decide | DecideRecall, *, time_ns: int) -> AnyReply:
    match command:
        case Take(message):
            return Answered(_take(record, message, time_ns=time_ns))
        case Decide():
            return decide(record, command, time_ns=time_ns)
        case DecideRecall():
            return decide_recall(record, command, time_ns=time_ns)


def _take(
    record: Record, message: CreditTransfer | PaymentReturn | CancellationRequest, *, time_ns: int
) -> StatusReport | Resolution:
    match message:
        case CreditTransfer():
            return take_payment(record, message, time_ns=time_ns)
        case PaymentReturn():
            return take_return(record, message, time_ns=time_ns)
        case CancellationRequest():
            return take_recall(record, message, time_ns=time_ns)


def _set_policy(record: Record, command: SetPolicy) -> AnyReply:
    slot = account_of(record.directory, Agent(routing=command.routing), command.number)
    if slot < 0:
        return Refused("unknown_account", f"{command.routing!r} has no account {command.number!r}: open it first")
    if command.arrivals not in ARRIVALS or command.recalls not in RECALLS:
        return Refused("policy", f"arrivals are {' or '.join(ARRIVALS)}, recalls {', '.join(RECALLS)}")
    against = against_words(command.who, command.why)
    if against is not None:
        return against
    wanted = Policy(command.arrivals == "ask", command.recalls)
    repeated = record.policies.get(slot, USUAL_POLICY) == wanted
    record.policies[slot] = wanted
    return PolicySet(repeated)
