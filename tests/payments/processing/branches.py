"""The same town with several shards: what is asked goes where it belongs, what is shown is put together.

Not a test. It can be asked what a `Town` can, so that every story can be told in it; what is on its way between the
shards is delivered in an order that a seed decides, and any of them may die at any time.
"""

from datetime import datetime
from random import Random
from typing import Any

import msgspec

from ropewalk.core.codec import encode_value
from ropewalk.core.mailbox import Delivery, Receipt
from ropewalk.core.place import Place
from ropewalk.systems.payments.ledger.commands import Operation, decode_reply, encode
from ropewalk.systems.payments.ledger.layout import TRANSFER, rows_of
from ropewalk.systems.payments.processing import messages
from ropewalk.systems.payments.processing.books import USD, Holder, account_id
from ropewalk.systems.payments.processing.files import NO_MINUTE
from ropewalk.systems.payments.processing.limits import USUAL_STEPS, Steps
from ropewalk.systems.payments.shards.addresses import full_id, shard_of
from tests.payments.processing.town import STEPS_MAX, ZONE
from tests.payments.shards.town import Shard

_PARTS = 1_000
"""With this the numbers begin of what other shards keep of files."""


class Branches:
    """Some shards and their clock."""

    def __init__(self, shards: int = 3, *, steps: Steps = USUAL_STEPS, seed: int = 1, dies: float = 0.0) -> None:
        self.shards = [Shard(Place("payments", number, shards), steps=steps) for number in range(shards)]
        self.time_ns = 0
        self._random = Random(seed)
        self._dies = dies
        self._institutions: list[str] = []
        self._accounts: list[tuple[int, int]] = []
        self._files: list[tuple[int, int]] = []
        self._parts: list[tuple[int, int]] = []
        self._transfers = 0
        self.at("2026-11-24 09:00")

    def at(self, moment: str) -> None:
        """Let time pass until New York's clocks show that, doing what is due on the way."""
        until_ns = int(datetime.fromisoformat(moment).replace(tzinfo=ZONE).timestamp()) * 1_000_000_000
        while (wakes_ns := min((each.wakes_at_ns or until_ns + 1 for each in self.shards), default=0)) <= until_ns:
            self.time_ns = max(self.time_ns, wakes_ns)
            self.settle()
        self.time_ns = until_ns

    def settle(self) -> None:
        """Do all that is due now, and deliver all that is on its way."""
        for _ in range(STEPS_MAX):
            due = [each for each in self.shards if each.wakes_at_ns is not None and each.wakes_at_ns <= self.time_ns]
            lanes = [(ours, name) for ours in self.shards for name in ours.mailbox.receivers()]
            if not due and not lanes:
                return
            chosen = self._random.randrange(len(due) + len(lanes))
            if chosen < len(due):
                due[chosen].apply(time_ns=self.time_ns)
            else:
                self._deliver(*lanes[chosen - len(due)])
            if self._random.random() < self._dies:
                self._random.choice(self.shards).crash()
        raise AssertionError("work never ends")

    def do(self, command: messages.AnyCommand) -> messages.AnyReply:
        """One command, and what becomes of it."""
        match command:
            case messages.RunWindow():
                return self._run_window()
            case messages.OpenAccounts(accounts):
                shard = self._shard(accounts[0].routing)
                reply = self._told(shard, command)
                if reply == messages.Done():
                    held = len([each for each in self._accounts if each[0] == shard])
                    self._accounts += [(shard, held + number) for number in range(len(accounts))]
                return reply
            case messages.SubmitFile(content):
                shard = self._shard_of_eight(content.decode()[95 + 79 : 95 + 87])
                reply = self._decided(shard, self._told(shard, command))
                if isinstance(reply, messages.FileAccepted):
                    parts = [_PARTS + self._numbered(self._parts, number) for number in reply.parts]
                    return msgspec.structs.replace(reply, file=self._numbered(self._files, reply.file), parts=parts)
                return reply
            case messages.SendPart():
                raise NotImplementedError
            case _:
                if isinstance(command, messages.OpenInstitution) and command.routing not in self._institutions:
                    self._institutions.append(command.routing)
                return self._told(self._shard(command.routing), command)

    def ask(self, query: messages.AnyQuery) -> bytes:
        """The bytes that answer a query."""
        match query:
            case messages.ListEntries(file, after, limit, state):
                shard, number = self._files[file] if file < _PARTS else self._parts[file - _PARTS]
                return self._read(shard, messages.ListEntries(number, after, limit, state))
            case messages.GetAccount() | messages.GetReturnFile() | messages.GetStatement():
                return self._read(self._shard(query.routing), query)
            case messages.ListWindows():
                return encode_value(self._windows())
            case messages.ListNotices():
                return encode_value(self._notices())
            case messages.ListInstitutions() | messages.ListReturnFiles():
                listed = [msgspec.msgpack.decode(self._read(shard, query)) for shard in range(len(self.shards))]
                rows = [row for rows in listed for row in rows]
                return encode_value(sorted(rows, key=lambda row: self._institutions.index(row["routing"])))
            case _:
                raise NotImplementedError

    def fund(self, slot: int, cents: int) -> None:
        """Pay cash in, from the settlement account of the first institution of the account's shard."""
        shard, _ = self._accounts[slot]
        cash = full_id(account_id(Holder.SETTLEMENT, 0), self.shards[shard].place)
        assert self.transfer(debit=cash, credit=self.deposit(slot), cents=cents) == 0xFFFFFFFF

    def deposit(self, slot: int) -> int:
        """The id of an account, in the order of opening."""
        shard, number = self._accounts[slot]
        return full_id(account_id(Holder.DEPOSIT, number), self.shards[shard].place)

    def transfer(self, *, debit: int, credit: int, cents: int) -> int:
        """A plain transfer, perhaps between shards; return its status."""
        self._transfers += 1
        row = {
            "id": self._transfers,
            "debit_account_id": debit,
            "credit_account_id": credit,
            "amount": cents,
            "ledger": USD,
            "code": 1,
        }
        command = encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, [row]))
        shard = self.shards[shard_of(debit, self.shards[0].place)]
        (reply,) = shard.apply([command], time_ns=self.time_ns)
        return int(decode_reply(Operation.CREATE_TRANSFERS, reply)["status"][0])

    def batch(self, commands: list[bytes]) -> None:
        """A record that nobody asked for, in each shard."""
        for shard in self.shards:
            shard.apply(commands, time_ns=self.time_ns)

    def _decided(self, shard: int, reply: messages.AnyReply) -> messages.AnyReply:
        """The reply to a file once all shards that keep some of it have said what they have against it."""
        if not isinstance(reply, messages.FileUndecided):
            return reply
        self.settle()
        answer = self._read(shard, messages.GetSubmission(reply.checksum))
        return messages.decode_reply(answer)

    def _numbered(self, known: list[tuple[int, int]], number: int) -> int:
        """The number of a file in the order of submission, by its shard and number there."""
        place = (number % len(self.shards), number)
        if place not in known:
            known.append(place)
        return known.index(place)

    def _run_window(self) -> messages.AnyReply:
        due = min(each.machine.processing.state.files.earliest_due() for each in self.shards)
        if due == NO_MINUTE:
            return messages.Refused("nothing_due", "no entry waits for a window")
        return self._told(0, messages.RunWindow(due * 60 * 10**9))

    def _windows(self) -> list[dict[str, Any]]:
        listed = [
            msgspec.msgpack.decode(self._read(shard, messages.ListWindows())) for shard in range(len(self.shards))
        ]
        merged = []
        for windows in zip(*listed, strict=True):
            assert len({each["window"] for each in windows}) == 1
            positions = [position for each in windows for position in each["positions"]]
            assert sum(position["net_cents"] for position in positions) == 0, "net positions sum to zero"
            positions.sort(key=lambda position: self._institutions.index(position["routing"]))
            merged.append(windows[0] | {"positions": positions})
        return merged

    def _notices(self) -> list[dict[str, Any]]:
        merged = []
        for shard in range(len(self.shards)):
            for notice in msgspec.msgpack.decode(self._read(shard, messages.ListNotices())):
                merged.append(notice | {"file": self._files.index((shard, notice["file"]))})
        return sorted(merged, key=lambda notice: notice["time_ns"])

    def _told(self, shard: int, command: messages.AnyCommand) -> messages.AnyReply:
        (reply,) = self.shards[shard].apply([messages.encode_command(command)], time_ns=self.time_ns)
        return messages.decode_reply(reply)

    def _read(self, shard: int, query: messages.AnyQuery) -> bytes:
        return self.shards[shard].machine.read(messages.encode_query(query))

    def _shard(self, routing: str) -> int:
        return self.shards[0].place.partition_of(routing)

    def _shard_of_eight(self, identification: str) -> int:
        return self.shards[0].machine.processing.state.shard_of_institution(int(identification))

    def _deliver(self, ours: Shard, name: str) -> None:
        theirs = next(each for each in self.shards if each.place.log_name == name)
        count = self._random.randint(1, 3)
        first, letters = ours.mailbox.letters(name, after=0, count_max=count, bytes_max=2**30)
        delivery = Delivery(ours.place.log_name, name, first, letters)
        theirs.apply((), [delivery], time_ns=self.time_ns)
        if self._random.random() < 0.8:
            ours.mailbox.settle(Receipt(name, theirs.mailbox.taken_in(ours.place.log_name)))
