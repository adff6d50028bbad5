"""Random files over few accounts with tight balances: whatever happens, every entry and every cent is accounted for.

The town checks the machine's invariants after every batch; steps are of three entries, so that most files take
several and a snapshot falls into the middle of a window.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.engines.memory import MemoryShelf
from ropewalk.systems.payments.ach.building import returned
from ropewalk.systems.payments.ach.codes import return_code_of
from ropewalk.systems.payments.ach.reading import read
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.processing.books import Holder, account_id, lookup
from ropewalk.systems.payments.processing.layouts import EntryState
from ropewalk.systems.payments.processing.limits import Steps
from ropewalk.systems.payments.processing.messages import (
    FileAccepted,
    GetReturnFile,
    ListEntries,
    ListReturnFiles,
    NewAccount,
    OpenAccounts,
    OpenInstitution,
    OpenOriginator,
    Refused,
    RestrictAccount,
    RunWindow,
    SubmitFile,
)
from tests.payments.processing.town import CAPSTAN, HARBOR, MEADOW, Town, batch_of, file_of

STEPS = Steps(entries=3, answers=2)
BANKS = (HARBOR, MEADOW)
NUMBERS = ("1", "2", "3")
RESTRICTIONS = ("none", "closed", "frozen", "non_transaction", "debits_not_authorized", "credits_refused")

Action = tuple[Any, ...]

entries = st.tuples(
    st.sampled_from((22, 27, 32, 37, 23, 28)),
    st.sampled_from((HARBOR, MEADOW, MEADOW, CAPSTAN)),
    st.sampled_from((*NUMBERS, "4")),
    st.integers(1, 60),
)
files = st.tuples(
    st.just("file"),
    st.sampled_from(BANKS),
    st.lists(entries, min_size=1, max_size=7),
    st.sampled_from(("261124", "261125", "261201", "260101")),
    st.booleans(),
)
actions = st.lists(
    st.one_of(
        files,
        files,
        st.tuples(st.just("again"), st.integers(0, 9), st.booleans()),
        st.tuples(
            st.just("restrict"), st.sampled_from(BANKS), st.sampled_from(NUMBERS), st.sampled_from(RESTRICTIONS)
        ),
        st.tuples(st.just("window")),
        st.tuples(st.just("later"), st.integers(1, 60)),
        st.tuples(st.just("pay"), st.integers(0, 5), st.integers(0, 5), st.integers(1, 60)),
        st.tuples(st.just("return"), st.integers(0, 30), st.integers(1, 5), st.sampled_from(("R01", "R10", "R06"))),
        st.tuples(st.just("step")),
    ),
    min_size=4,
    max_size=16,
)


class Play:
    """A town with two banks of three accounts of fifty cents to a dollar, and what is done there."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.contents: list[bytes] = []
        for bank in BANKS:
            self.town.do(OpenInstitution(bank, bank))
            accounts = [NewAccount(bank, number, overdraft=number == "3") for number in NUMBERS]
            self.town.do(OpenAccounts(accounts))
            self.town.do(OpenOriginator(bank, "1", "ROPE WORKS", "1"))
        for slot in range(6):
            self.town.fund(slot, 50 + 10 * slot)
        self._actions: dict[str, Callable[..., None]] = {
            "file": self.file, "again": self.again, "restrict": self.restrict, "window": self.window,
            "later": self.later, "pay": self.pay, "return": self.send_back, "step": self.step,
        }  # fmt: skip

    def do(self, action: Action) -> None:
        self._actions[action[0]](*action[1:])

    def file(self, bank: str, lines: list[tuple[int, str, str, int]], effective: str, reversal: bool) -> None:
        description = "REVERSAL" if reversal else "PAYROLL"
        batch = batch_of("PPD", odfi=bank, company="1", effective=effective, description=description,
                         first_sequence=self._sequence())  # fmt: skip
        for code, to, account, cents in lines:
            amount = 0 if code in (23, 28) else cents
            batch.add(
                transaction_code=code, routing_number=to, account=account, amount_cents=amount, individual_name="A"
            )
        self._submit(file_of(batch, modifier=self._modifier()))

    def again(self, which: int, changed: bool) -> None:
        if which < len(self.contents):
            content = self.contents[which]
            if changed:
                content = content.replace(b"ROPE WORKS INC", b"ROPE WALKS INC")
            self.town.settle()
            before = self.town.machine.digest()
            reply = self.town.do(SubmitFile(content))
            if changed:
                assert isinstance(reply, Refused)
                assert reply.reason == "other_bytes"
            else:
                assert isinstance(reply, FileAccepted)
                assert reply.repeated
            assert self.town.machine.digest() == before

    def restrict(self, bank: str, number: str, restriction: str) -> None:
        self.town.do(RestrictAccount(bank, number, restriction))

    def window(self) -> None:
        self.town.do(RunWindow())
        self.town.settle()

    def later(self, hours: int) -> None:
        moment = datetime(1970, 1, 1) + timedelta(hours=self.town.time_ns // 3_600_000_000_000 - 5 + hours)  # noqa: DTZ001
        self.town.at(moment.isoformat())

    def pay(self, payer: int, payee: int, cents: int) -> None:
        debit, credit = account_id(Holder.DEPOSIT, payer), account_id(Holder.DEPOSIT, payee)
        self.town.transfer(debit=debit, credit=credit, cents=cents)

    def send_back(self, which: int, count: int, reason: str) -> None:
        """Let one bank return some entries of another, in one file; a few may have been returned before."""
        settled = [
            entry
            for file in range(len(self.contents))
            for entry in self.entries(file)
            if entry["kind"] == "forward" and entry["state"] in ("posted", "returned") and entry["rdfi"] in BANKS
        ]
        if not settled:
            return
        first = settled[which % len(settled)]
        between = (first["trace"][:8], first["rdfi"])
        chosen = [entry for entry in settled if (entry["trace"][:8], entry["rdfi"]) == between][-count:]
        batch = batch_of("PPD", odfi=first["rdfi"], company="1", first_sequence=self._sequence())
        odfi = next(bank for bank in BANKS if bank.startswith(between[0]))
        for entry in chosen:
            addenda = [returned(reason, trace=int(entry["trace"]), rdfi=int(entry["rdfi"][:8]))]
            batch.add(
                transaction_code=return_code_of(entry["transaction_code"]), routing_number=odfi,
                account=entry["account"], amount_cents=entry["amount_cents"], individual_name="A", addenda=addenda,
            )  # fmt: skip
        self._submit(file_of(batch, modifier=self._modifier()))

    def step(self) -> None:
        self.town.batch([])

    def entries(self, file: int) -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = msgspec.msgpack.decode(self.town.ask(ListEntries(file, limit=1000)))
        return listed

    def _submit(self, content: bytes) -> None:
        reply = self.town.do(SubmitFile(content))
        assert isinstance(reply, FileAccepted), reply
        assert reply.file == len(self.contents)
        self.contents.append(content)

    def _sequence(self) -> int:
        return 1 + 100 * len(self.contents)

    def _modifier(self) -> str:
        return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[len(self.contents)]


@settings(max_examples=150, deadline=None)
@given(actions)
def test_every_entry_ends_once_and_every_cent_is_accounted_for(todo: list[Action]) -> None:
    play = Play(Town(steps=STEPS))
    for action in todo:
        play.do(action)
    play.town.at("2026-12-15 12:00")
    state = play.town.machine.processing.state
    for file in state.files:
        assert file.tally[EntryState.ACCEPTED, 0] == file.tally[EntryState.PENDING, 0] == 0
    for window in range(len(state.windows.all)):
        for listed in msgspec.msgpack.decode(play.town.ask(ListReturnFiles(window))):
            asked = GetReturnFile(window, listed["routing"], listed["part"])
            reading = read(msgspec.msgpack.decode(play.town.ask(asked)))
            assert reading.is_valid, reading.errors
            assert reading.entries == listed["entries"]
    assert_money_moved_as_entries_say(play)


def assert_money_moved_as_entries_say(play: Play) -> None:
    """What each bank's settlement account has lost is what its entries paid others, and returns took back."""
    state = play.town.machine.processing.state
    paid = np.zeros(2, "i8")
    for number in range(len(play.contents)):
        for entry in play.entries(number):
            if entry["kind"] == "forward" and entry["state"] == "posted":
                odfi = next(index for index, bank in enumerate(BANKS) if entry["trace"].startswith(bank[:8]))
                rdfi = BANKS.index(entry["rdfi"])
                sign = 1 if entry["side"] == "credit" else -1
                paid[odfi] += sign * entry["amount_cents"]
                paid[rdfi] -= sign * entry["amount_cents"]
    funded = np.array([sum(50 + 10 * slot for slot in range(6)), 0])
    rows = lookup(state.ledger, Holder.SETTLEMENT, np.arange(2))
    has = rows["debits_posted_low"].astype("i8") - rows["credits_posted_low"].astype("i8")
    assert has.tolist() == (funded - paid).tolist()


@settings(max_examples=30, deadline=None)
@given(actions, st.integers(0, 1000))
def test_a_snapshot_at_any_batch_goes_on_as_if_nothing_had_happened(todo: list[Action], at: int) -> None:
    play = Play(Town(steps=STEPS))
    for action in todo:
        play.do(action)
    play.town.at("2026-11-26 12:00")
    batches = play.town.batches
    shelf = MemoryShelf()
    replayed = PaymentsMachine(shelf, steps=STEPS)
    restored = PaymentsMachine(MemoryShelf(), steps=STEPS)
    for number, batch in enumerate(batches):
        outcome = replayed.apply(batch)
        if number > at % len(batches):
            assert restored.apply(batch) == outcome
        if number == at % len(batches):
            saved = replayed.save()
            copies = MemoryShelf()
            for name in saved.blobs:
                copies.put(name, shelf.get(name))
            restored = PaymentsMachine(copies, steps=STEPS)
            restored.load({name: bytes(part) for name, part in saved.parts.items()})
            restored.check()
            assert restored.digest() == replayed.digest()
    assert restored.digest() == replayed.digest() == play.town.machine.digest()
