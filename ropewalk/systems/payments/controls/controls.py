"""Limits, freezes and reversals as a part of one shard of payments: each done by somebody for a reason, and listed.

    limit     what may leave an account, at once and in any 24 hours: the ledger counts, whatever moves the money
    freeze    nothing enters or leaves an account, or one of both; what is promised to another shard is kept
    reverse   a transfer of its own, the other way, whole or in parts (`reversing`)

The ledger's guards hold for everything that moves money: transfers and those between shards, ACH entries, instant
payments, chains and cards. Each tells its callers in the words of its own standard.

Promise:    nothing here happens without who and why; what was done is listed for ever (`journal`).
Not given:  the outcome of a reversal that crosses shards in its answer: it is a transfer, and can be looked up.
Checked by: tests/payments/controls/test_controls.py, test_everywhere.py
"""

from collections.abc import Mapping, Sequence
from typing import Final

from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Received, Saved
from ropewalk.data.shelf import Shelf
from ropewalk.errors import NotAccepted, Rejected
from ropewalk.systems.payments.controls.journal import Journal
from ropewalk.systems.payments.controls.limits import CONTROLS_MAX, TEXT_MAX
from ropewalk.systems.payments.controls.messages import (
    AccountControls,
    AnyCommand,
    AnyReply,
    Controlled,
    ControlView,
    Freeze,
    GetAccountControls,
    ListControls,
    Refused,
    Reverse,
    SetLimits,
    Unfreeze,
    decode_command,
    decode_query,
)
from ropewalk.systems.payments.controls.reversing import reverse
from ropewalk.systems.payments.ledger.guards import NAMES_OF_SIDES, NEITHER, SIDES, Limit
from ropewalk.systems.payments.ledger.layout import get, ids_of
from ropewalk.systems.payments.processing.books import Holder, account_id
from ropewalk.systems.payments.processing.directory import Directory
from ropewalk.systems.payments.processing.limits import PAGE_MAX
from ropewalk.systems.payments.shards.state import State

DAY_S: Final = 86_400


class Controls:
    """Those of one shard."""

    def __init__(self, shards: State, directory: Directory, shelf: Shelf) -> None:
        self._shards = shards
        self._ledger = shards.ledger
        self._directory = directory
        self._journal = Journal(shelf)

    def vet(self, command: bytes) -> None:
        """Raise Rejected unless the command can be read."""
        decode_command(command)

    def work(self, *, time_ns: int) -> None:
        """Nothing is ever due."""

    def receive(self, received: Received, *, time_ns: int) -> bytes:
        """No shard controls another's accounts."""
        raise Rejected(f"controls take no messages, and {received.sender} sent one at {time_ns}")

    def apply(self, commands: Sequence[bytes], *, time_ns: int) -> Sequence[bytes]:
        """Do what each command asks and return the encoded replies. Raises Rejected if one can't be read."""
        return [encode_value(self._reply(decode_command(command), time_ns)) for command in commands]

    def wakes_at_ns(self, *, time_ns: int) -> int | None:
        """Never."""
        del time_ns
        return None

    def read(self, query: bytes) -> bytes:
        """What was done, or what holds. Raises Rejected if the query can't be read, or names what is not there."""
        match decode_query(query):
            case ListControls() as asked:
                return encode_value(self._listed(asked))
            case GetAccountControls(routing, number):
                account = self._account(routing, number)
                if isinstance(account, Refused):
                    raise Rejected(account.detail)
                return encode_value(self._held(account))

    def save(self) -> Saved:
        """The journal: what holds is the ledger's."""
        return Saved({"journal": self._journal.save()}, self._journal.blobs())

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        self._journal.load(parts["journal"])

    def check(self) -> None:
        """There is nothing that another part does not check."""

    def _reply(self, command: AnyCommand, time_ns: int) -> AnyReply:
        if not (0 < len(command.who.strip()) <= TEXT_MAX and 0 < len(command.why.strip()) <= TEXT_MAX):
            return Refused("who", f"say who does it and why, in 1 to {TEXT_MAX} characters each")
        if len(self._journal) >= CONTROLS_MAX:
            return Refused("full", f"{CONTROLS_MAX} controls are kept already: a shard keeps no more")
        try:
            return self._done(command, time_ns)
        except NotAccepted as error:
            return Refused("full", str(error))

    def _done(self, command: AnyCommand, time_ns: int) -> AnyReply:
        if isinstance(command, Reverse):
            return self._reverse(command, time_ns)
        account = self._account(command.routing, command.number)
        if isinstance(account, Refused):
            return account
        match command:
            case SetLimits():
                return self._limit(command, account, time_ns)
            case Freeze():
                return self._freeze(command, account, time_ns)
            case Unfreeze():
                return self._unfreeze(command, account, time_ns)

    def _limit(self, command: SetLimits, account: int, time_ns: int) -> AnyReply:
        asked = (command.transfer_cents, command.day_cents, command.day_count)
        if min(asked) < 0 or max(asked) >= 2**63:
            return Refused("limits", "limits are whole numbers from 0 to 2^63 - 1; zero is no limit")
        transfer, day, count = (each or None for each in asked)
        window_s = DAY_S if day or count else 0
        limit = Limit(transfer_max=transfer, window_s=window_s, amount_max=day, count_max=count)
        before = _limits_of(self._ledger.guards.limit_of(account))
        self._ledger.guards.set_limit(account, limit, since=self._ledger.last_timestamp)
        return self._note(command, time_ns, what="limits", details=_numbers(asked) | _numbers(before, "before_"))

    def _freeze(self, command: Freeze, account: int, time_ns: int) -> AnyReply:
        sides = SIDES.get(command.sides, NEITHER)
        if not sides:
            return Refused("sides", f"{command.sides!r} is none of debits, credits, both")
        before = self._ledger.guards.frozen_of(account)
        if before == sides:
            return Refused("frozen", f"the account is frozen: {command.sides}")
        self._ledger.guards.freeze(account, sides)
        details = {"sides": command.sides, "before": NAMES_OF_SIDES[before]}
        return self._note(command, time_ns, what="freeze", details=details)

    def _unfreeze(self, command: Unfreeze, account: int, time_ns: int) -> AnyReply:
        before = self._ledger.guards.frozen_of(account)
        if not before:
            return Refused("not_frozen", "the account is not frozen")
        self._ledger.guards.freeze(account, NEITHER)
        return self._note(command, time_ns, what="unfreeze", details={"before": NAMES_OF_SIDES[before]})

    def _reverse(self, command: Reverse, time_ns: int) -> AnyReply:
        if len(command.reference) > TEXT_MAX:
            return Refused("reference", f"a reference has up to {TEXT_MAX} characters")
        back = reverse(self._shards, self._directory, command, time_ns=time_ns)
        if isinstance(back, Refused):
            return back
        made = {name: f"{get(back[0], field)}" for name, field in _OF_REVERSAL.items()}
        details = {**made, "reference": command.reference}
        return self._note(command, time_ns, what="reverse", details=details, made_id=made["made_id"])

    def _account(self, routing: str, number: str) -> int | Refused:
        """Where the ledger keeps an account."""
        slot = self._directory.find_account(self._directory.find_institution(routing), number)
        # Nor is it one that is spelt otherwise, such as with a zero byte behind it: it would be listed under that.
        if slot < 0 or self._directory.accounts["number"][slot].decode() != number:
            return Refused("unknown_account", f"{routing!r} has no account {number!r}")
        return int(self._ledger.slots_of(ids_of([account_id(Holder.DEPOSIT, slot)]))[0])

    def _listed(self, asked: ListControls) -> list[ControlView]:
        if not 1 <= asked.limit <= PAGE_MAX:
            raise Rejected(f"a page has 1 to {PAGE_MAX} rows, not {asked.limit}")
        place = self._shards.place
        behind = (asked.after - place.partition) // place.partitions + 1
        return self._journal.listed(behind, asked.limit, about=(asked.routing, asked.number))

    def _held(self, account: int) -> AccountControls:
        guards = self._ledger.guards
        limits = _limits_of(guards.limit_of(account))
        spent = guards.used(account, time_ns=self._ledger.last_timestamp)
        return AccountControls(*limits, *spent, NAMES_OF_SIDES[guards.frozen_of(account)])

    def _note(
        self, command: AnyCommand, time_ns: int, *, what: str, details: dict[str, str], made_id: str = ""
    ) -> Controlled:
        # As callers know it: no other shard has a control with that number.
        number = len(self._journal) * self._shards.place.partitions + self._shards.place.partition
        about = ("", "") if isinstance(command, Reverse) else (command.routing, command.number)
        transfer = command.transfer_id if isinstance(command, Reverse) else ""
        self._journal.add(ControlView(number, time_ns, command.who, command.why, what, *about, transfer, details))
        return Controlled(number, made_id)


_OF_REVERSAL: Final = {"made_id": "id", "amount": "amount", "paid_by": "debit_account_id"}


def _limits_of(limit: Limit | None) -> tuple[int, int, int]:
    """As callers say it: zero is none."""
    given = limit or Limit()
    return given.transfer_max or 0, given.amount_max or 0, given.count_max or 0


def _numbers(limits: tuple[int, int, int], prefix: str = "") -> dict[str, str]:
    names = ("transfer_cents", "day_cents", "day_count")
    return {f"{prefix}{name}": f"{limit}" for name, limit in zip(names, limits, strict=True)}
