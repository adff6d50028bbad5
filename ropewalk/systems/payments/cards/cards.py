"""Card authorisation as a part of one partition of payments: commands and messages in, answers out.

    requests ──► authorisations that have no key or account in common: at once
             └─► all others: one by one, in their order between them

Promise:    answers are those of one command after the other; a message that is repeated gets the answer that it got
            before, whatever has happened since, and moves nothing.
Not given:  any check of PINs, CVVs and chip cryptograms: whoever keeps those keys does that before.
Checked by: tests/payments/cards/test_stories.py, test_properties.py
"""

from collections.abc import Mapping, Sequence

from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Received, Saved
from ropewalk.core.place import Place, log_name
from ropewalk.errors import Rejected
from ropewalk.systems.payments.cards.authorising import Case, authorise_all, case_of
from ropewalk.systems.payments.cards.commands import (
    Answer,
    AnyReply,
    Authorise,
    BlockCard,
    Complete,
    IssueCards,
    OpenProgramme,
    Reverse,
    StandIn,
    decode_command,
    decode_query,
    decode_reply,
    encode_command,
)
from ropewalk.systems.payments.cards.completing import complete
from ropewalk.systems.payments.cards.issuing import block_card, issue_cards, open_programme
from ropewalk.systems.payments.cards.queries import answer_query
from ropewalk.systems.payments.cards.reversing import reverse
from ropewalk.systems.payments.cards.state import State
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.parts import Outgoing
from ropewalk.systems.payments.processing.directory import Directory


class Cards:
    """Everything about cards, over a ledger and a directory that others use too."""

    def __init__(self, ledger: Ledger, directory: Directory, *, place: Place, outgoing: Outgoing) -> None:
        self.state = State(ledger, directory)
        self._place = place
        self._outgoing = outgoing

    def vet(self, command: bytes) -> None:
        """Raise Rejected unless the command can be read, and stands in for a partition that there is."""
        decoded = decode_command(command)
        if isinstance(decoded, StandIn) and not 0 <= decoded.issuer < self._place.partitions:
            raise Rejected(f"there is no partition {decoded.issuer} to stand in for, but {self._place.partitions}")

    def work(self, *, time_ns: int) -> None:
        """Nothing is due but holds that expire, which the ledger sees to."""

    def wakes_at_ns(self, *, time_ns: int) -> None:
        """Never."""

    def apply(self, commands: Sequence[bytes], *, time_ns: int) -> list[bytes]:
        """Do what each command asks and return the encoded replies. Raises Rejected if one can't be read."""
        return [encode_value(reply) for reply in self._replies(commands, time_ns)]

    def receive(self, received: Received, *, time_ns: int) -> bytes:
        """Do what another partition's message asks, or note its reply to one from here."""
        if received.is_reply:
            reply = decode_reply(received.command)
            if isinstance(reply, Answer):
                self.state.stand_ins.reconcile(received.tag, reply)
            return b""
        (reply_bytes,) = self.apply([received.command], time_ns=time_ns)
        return reply_bytes

    def read(self, query: bytes) -> bytes:
        """Answer a query. Raises Rejected if it can't be read."""
        return encode_value(answer_query(self.state, decode_query(query)))

    def save(self) -> Saved:
        """All of it but the ledger and the directory."""
        return Saved(self.state.save())

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        self.state.load(parts)

    def check(self) -> None:
        """Raise Bug if something can't be."""
        self.state.check()

    def _replies(self, commands: Sequence[bytes], time_ns: int) -> list[AnyReply]:
        replies: list[AnyReply] = []
        together: list[Case] = []
        in_common: set[int | bytes | None] = set()
        for encoded in commands:
            command = decode_command(encoded)
            case = case_of(self.state, command, time_ns=time_ns) if isinstance(command, Authorise) else None
            is_apart = case is None or case.key in in_common or (case.account or case.command.token) in in_common
            if is_apart:
                replies += authorise_all(self.state, together, time_ns=time_ns) if together else []
                together, in_common = [], set()
            if case is None:
                replies.append(self._reply(command, time_ns))
            else:
                together.append(case)
                in_common |= {case.key, case.account or case.command.token}
        return replies + (authorise_all(self.state, together, time_ns=time_ns) if together else [])

    def _reply(self, command: object, time_ns: int) -> AnyReply:
        state = self.state
        match command:
            case Complete():
                return complete(state, command, time_ns=time_ns)
            case Reverse():
                return reverse(state, command, time_ns=time_ns)
            case StandIn():
                return self._stand_in(command, time_ns)
            case OpenProgramme():
                return open_programme(state, command, time_ns=time_ns)
            case IssueCards():
                return issue_cards(state, command)
            case BlockCard():
                return block_card(state, command)
            case unknown:
                raise Rejected(f"{type(unknown).__name__} is no command about cards")

    def _stand_in(self, command: StandIn, time_ns: int) -> Answer:
        answer, forward = self.state.stand_ins.decide(command, time_ns=time_ns)
        if forward is not None:
            issuer = log_name(self._place.service, command.issuer)
            self._outgoing.send(issuer, encode_command(forward.movement), tag=forward.tag)
        return answer
