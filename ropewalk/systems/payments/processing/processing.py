"""ACH processing: institutions, files, windows, returns, driven by commands and by the time.

    SubmitFile ─► accepted ─► a step a batch: reserve ─► pending ─► window, a step a batch ─► posted, returned

A batch of the log does at most one step of the work that is left, before its requests; as long as some is left the
machine asks for the next batch at once. So a file of a million entries keeps nobody waiting, and what a crash cuts
short goes on where the log ends.

Promise:    every accepted entry ends in exactly one of posted, returned, rejected; every cent is accounted for after
            each batch (`check`); a command that is repeated changes nothing.
Not given:  a bound for the last part of a large file, which is read whole: some seconds a million entries.
Checked by: tests/payments/processing/test_properties.py, test_stories.py
"""

from collections.abc import Mapping, Sequence
from typing import Final

from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Received, Saved
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.parts import Outgoing
from ropewalk.systems.payments.processing import work
from ropewalk.systems.payments.processing.calendar import MINUTE_NS
from ropewalk.systems.payments.processing.elsewhere import decode_answer, decode_message
from ropewalk.systems.payments.processing.files import NO_MINUTE
from ropewalk.systems.payments.processing.hearing import hear_answer, hear_message
from ropewalk.systems.payments.processing.house import HOUSE, Caller, line_up
from ropewalk.systems.payments.processing.limits import Steps
from ropewalk.systems.payments.processing.messages import (
    ACH,
    AnyReply,
    Done,
    OpenAccounts,
    OpenInstitution,
    OpenOriginator,
    Refused,
    RestrictAccount,
    RunWindow,
    SendPart,
    SubmitFile,
    WindowStarted,
    decode_command,
    decode_query,
)
from ropewalk.systems.payments.processing.opening import (
    open_customer_accounts,
    open_institution,
    open_originator,
    restrict_account,
)
from ropewalk.systems.payments.processing.queries import answer
from ropewalk.systems.payments.processing.state import State
from ropewalk.systems.payments.processing.submission import submit

_ONE_SHARD: Final = Place("payments")


class Processing:
    """Everything that is ACH, over a ledger that others may use too."""

    def __init__(
        self,
        ledger: Ledger,
        shelf: Shelf,
        *,
        steps: Steps,
        place: Place = _ONE_SHARD,
        outgoing: Outgoing | None = None,
    ) -> None:
        self.state = State(ledger, shelf, steps=steps, caller=Caller(place, outgoing or Outgoing(ACH)))

    def work(self, *, time_ns: int) -> None:
        """Do one step of what is due."""
        work.step(self.state, time_ns=time_ns)

    def wakes_at_ns(self, *, time_ns: int) -> int | None:
        """When there is something to do though nobody asks."""
        return work.wakes_at_ns(self.state, time_ns=time_ns)

    def vet(self, command: bytes) -> None:
        """Raise Rejected unless the command can be read."""
        decode_command(command)

    def receive(self, received: Received, *, time_ns: int) -> bytes:
        """Do what another shard's message asks, or take note of its answer."""
        shard = int(received.sender.rpartition("/")[2])
        if received.is_reply:
            hear_answer(self.state, shard, decode_answer(received.command), time_ns=time_ns)
            return b""
        reply = hear_message(self.state, shard, decode_message(received.command), time_ns=time_ns)
        return b"" if reply is None else encode_value(reply)

    def apply(self, commands: Sequence[bytes], *, time_ns: int) -> Sequence[bytes]:
        """Do what each command asks and return the encoded replies. Raises Rejected if one can't be read."""
        return [encode_value(self._reply(command, time_ns)) for command in commands]

    def read(self, query: bytes) -> bytes:
        """Answer a query. Raises Rejected if it can't be read, or names what is not there."""
        return encode_value(answer(self.state, decode_query(query)))

    def save(self) -> Saved:
        """All of it but the ledger."""
        return self.state.save()

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        self.state.load(parts)

    def check(self) -> None:
        """Raise Bug if an entry or a cent is not accounted for."""
        self.state.check()

    def _reply(self, encoded: bytes, time_ns: int) -> AnyReply:
        state = self.state
        match decode_command(encoded):
            case OpenInstitution() as command:
                return open_institution(state, command, time_ns=time_ns)
            case OpenAccounts() as command:
                return open_customer_accounts(state, command, time_ns=time_ns)
            case OpenOriginator() as command:
                return open_originator(state, command)
            case RestrictAccount() as command:
                return restrict_account(state, command)
            case SendPart() as command:
                against = state.uploads.add(command.upload, command.part, command.content)
                return Refused("part", against) if against else Done()
            case SubmitFile() as command:
                return submit(state, command, time_ns=time_ns)
            case RunWindow() as command:
                return self._run_window(command, time_ns=time_ns)

    def _run_window(self, command: RunWindow, *, time_ns: int) -> AnyReply:
        if not 0 <= command.through_ns // MINUTE_NS < NO_MINUTE:
            return Refused("through", f"{command.through_ns} is not a time in nanoseconds since 1970")
        if not self.state.is_alone:
            return self._line_up(command, time_ns=time_ns)
        next_due = self.state.files.earliest_due()
        through_minute = command.through_ns // MINUTE_NS or next_due
        if next_due == NO_MINUTE or next_due > through_minute:
            return Refused("nothing_due", "no entry waits for a window by then")
        taking = work.taking(self.state, through_minute=through_minute)
        if taking is not None:
            return WindowStarted(taking.number)
        window = work.ask_window(self.state, through_minute=through_minute, by_hand=True, time_ns=time_ns)
        return WindowStarted(window.number)

    def _line_up(self, command: RunWindow, *, time_ns: int) -> AnyReply:
        """Have the house open a window in all shards: it is asked here, or it is not here."""
        if self.state.place.partition != HOUSE:
            return Refused("shard", f"windows are run by shard {HOUSE}, and this is {self.state.place.log_name}")
        if not command.through_ns:
            return Refused("through", "say until when: what is due next is known by all shards together")
        minute = command.through_ns // MINUTE_NS
        house, caller = self.state.house, self.state.caller
        known = len(house.through_minutes) if command.known is None else command.known
        number = line_up(house, caller, through_minute=minute, known=known, by_hand=True, time_ns=time_ns)
        return WindowStarted(number)
