"""ACH where institutions are kept in several shards: random files between them, late mail, shards that die.

Whatever happens, every entry ends, what its two sides know agrees, and every window's net positions sum to zero over
all shards (which `Branches` sees to). That the ends are the right ones is what stories show, told in several shards.
"""

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.errors import Bug
from ropewalk.systems.payments.ach.building import returned
from ropewalk.systems.payments.ach.codes import return_code_of
from ropewalk.systems.payments.processing import work
from ropewalk.systems.payments.processing.books import Holder, clearing_balances, lookup
from ropewalk.systems.payments.processing.elsewhere import Closed, PhaseDone
from ropewalk.systems.payments.processing.house import Course, House, hear_closed, hear_done
from ropewalk.systems.payments.processing.limits import Steps
from ropewalk.systems.payments.processing.messages import (
    FileAccepted,
    FileRefused,
    ListEntries,
    ListWindows,
    NewAccount,
    OpenAccounts,
    OpenInstitution,
    OpenOriginator,
    Refused,
    RestrictAccount,
    RunWindow,
    SubmitFile,
)
from tests.payments.processing.branches import Branches
from tests.payments.processing.town import CAPSTAN, HARBOR, MEADOW, batch_of, file_of

STEPS = Steps(entries=3, answers=2)
BANKS = (HARBOR, MEADOW, CAPSTAN)
NUMBERS = ("1", "2", "3")
FUNDS = 60
SHARDS = 4
"""In which each of the banks is in a shard of its own, and one is left."""

Action = tuple[Any, ...]

entries = st.tuples(
    st.sampled_from((22, 27, 22, 27, 23)),
    st.sampled_from(BANKS),
    st.sampled_from((*NUMBERS, "4")),
    st.integers(1, 60),
)
actions = st.lists(
    st.one_of(
        st.tuples(st.just("file"), st.sampled_from(BANKS), st.lists(entries, min_size=1, max_size=7), st.booleans()),
        st.tuples(st.just("file"), st.sampled_from(BANKS), st.lists(entries, min_size=1, max_size=7), st.just(False)),
        st.tuples(
            st.just("restrict"), st.sampled_from(BANKS), st.sampled_from(NUMBERS),
            st.sampled_from(("none", "closed", "frozen", "credits_refused", "debits_not_authorized")),
        ),
        st.tuples(st.just("window")),
        st.tuples(st.just("pay"), st.integers(0, 8), st.integers(0, 8), st.integers(1, 40)),
        st.tuples(st.just("return"), st.integers(0, 30), st.sampled_from(("R01", "R10"))),
        st.tuples(st.just("step")),
    ),
    min_size=3,
    max_size=12,
)  # fmt: skip


class Play:
    """Three banks, each in a shard of its own, with three accounts each, and what is done there."""

    def __init__(self, *, seed: int, dies: float) -> None:
        self.town = Branches(SHARDS, steps=STEPS, seed=seed, dies=dies)
        self.files: list[int] = []
        for bank in BANKS:
            self.town.do(OpenInstitution(bank, bank))
            self.town.do(OpenAccounts([NewAccount(bank, number) for number in NUMBERS]))
            self.town.do(OpenOriginator(bank, "1", "ROPE WORKS", "1"))
        for slot in range(len(BANKS) * len(NUMBERS)):
            self.town.fund(slot, FUNDS)

    def act(self, action: Action) -> None:
        town = self.town
        match action:
            case ("file", bank, lines, reversal):
                description = "REVERSAL" if reversal else "PAYROLL"
                batch = batch_of("PPD", odfi=bank, company="1", description=description, first_sequence=self._first())
                for code, to, account, cents in lines:
                    amount = 0 if code == 23 else cents
                    batch.add(
                        transaction_code=code, routing_number=to, account=account, amount_cents=amount,
                        individual_name="A",
                    )  # fmt: skip
                self._submit(file_of(batch, modifier=self._modifier()))
            case ("restrict", bank, number, restriction):
                town.do(RestrictAccount(bank, number, restriction))
            case ("window",):
                town.do(RunWindow())
                town.settle()
            case ("pay", payer, payee, cents):
                if payer != payee:
                    town.transfer(debit=town.deposit(payer), credit=town.deposit(payee), cents=cents)
            case ("return", which, reason):
                self._send_back(which, reason)
            case ("step",):
                town.batch([])

    def entries(self) -> list[dict[str, Any]]:
        """All of them, each with its file."""
        return [
            entry | {"file": file}
            for file in self.files
            for entry in msgspec.msgpack.decode(self.town.ask(ListEntries(file, limit=1_000)))
        ]

    def _send_back(self, which: int, reason: str) -> None:
        settled = [each for each in self.entries() if each["kind"] == "forward" and each["rdfi"] in BANKS]
        settled = [each for each in settled if each["state"] in ("posted", "returned")]
        if not settled:
            return
        entry = settled[which % len(settled)]
        batch = batch_of("PPD", odfi=entry["rdfi"], company="1", first_sequence=self._first())
        batch.add(
            transaction_code=return_code_of(entry["transaction_code"]),
            routing_number=next(bank for bank in BANKS if entry["trace"].startswith(bank[:8])),
            account=entry["account"], amount_cents=entry["amount_cents"], individual_name="A",
            addenda=[returned(reason, trace=int(entry["trace"]), rdfi=int(entry["rdfi"][:8]))],
        )  # fmt: skip
        self._submit(file_of(batch, modifier=self._modifier()))

    def _submit(self, content: bytes) -> None:
        reply = self.town.do(SubmitFile(content))
        assert isinstance(reply, FileAccepted), reply
        self.files += [reply.file, *reply.parts]

    def _first(self) -> int:
        return 1 + 100 * len(self.files)

    def _modifier(self) -> str:
        return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[len(self.files)]


def check_rest(play: Play) -> None:
    """Every entry has ended, every clearing account is at zero, and settlement accounts say what entries say."""
    paid = dict.fromkeys(BANKS, 0)
    for entry in play.entries():
        assert entry["state"] in ("posted", "returned", "rejected"), entry
        if entry["kind"] == "forward" and entry["state"] == "posted":
            cents = entry["amount_cents"] * (1 if entry["side"] == "credit" else -1)
            paid[next(bank for bank in BANKS if entry["trace"].startswith(bank[:8]))] += cents
            paid[entry["rdfi"]] -= cents
    for shard in play.town.shards:
        state = shard.machine.processing.state
        assert not state.sent
        institutions = state.directory.institutions
        assert not clearing_balances(state.ledger, len(institutions)).any(), "clearing accounts are at zero"
        rows = lookup(state.ledger, Holder.SETTLEMENT, np.arange(len(institutions)))
        for institution, row in zip(institutions, rows, strict=True):
            has = int(row["debits_posted_low"]) - int(row["credits_posted_low"])
            assert has == len(NUMBERS) * FUNDS - paid[institution.routing], institution
    msgspec.msgpack.decode(play.town.ask(ListWindows()))


@settings(max_examples=60, deadline=None)
@given(actions, st.integers(0, 99), st.sampled_from((0.0, 0.05)))
def test_every_entry_ends_and_every_cent_is_accounted_for_over_all_shards(
    todo: list[Action], seed: int, dies: float
) -> None:
    play = Play(seed=seed, dies=dies)
    for action in todo:
        play.act(action)
    play.town.at("2026-12-15 12:00")
    check_rest(play)


def a_file(bank: str, *, to: str, account: str, cents: int, code: int = 22) -> bytes:
    batch = batch_of("PPD", odfi=bank, company="1")
    batch.add(transaction_code=code, routing_number=to, account=account, amount_cents=cents, individual_name="A")
    return file_of(batch)


def test_each_bank_has_a_shard_of_its_own() -> None:
    town = Branches(SHARDS)
    assert len({town._shard(bank) for bank in BANKS}) == len(BANKS)


def settle_without(town: Branches, away: str) -> None:
    """Do and deliver all that can be while one shard takes nothing in."""
    for _ in range(200):
        due = [each for each in town.shards if each.wakes_at_ns is not None and each.wakes_at_ns <= town.time_ns]
        lanes = [(ours, to) for ours in town.shards for to in ours.mailbox.receivers() if to != away]
        if not due and not lanes:
            return
        if due:
            due[0].apply(time_ns=town.time_ns)
        else:
            town._deliver(*lanes[0])
    raise AssertionError("work never ends")


def test_a_file_waits_for_a_shard_that_is_away_and_then_settles() -> None:
    play = Play(seed=3, dies=0.0)
    town = play.town
    play._submit(a_file(HARBOR, to=MEADOW, account="1", cents=25))
    town.settle()
    town.do(RunWindow())
    away = town.shards[town._shard(MEADOW)]
    settle_without(town, away.place.log_name)
    assert [entry["state"] for entry in play.entries()] == ["pending"]
    away.crash()
    town.settle()
    assert [entry["state"] for entry in play.entries()] == ["posted"]
    check_rest(play)


def test_no_more_of_a_window_waits_for_a_shard_that_is_away_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "SENT_MAX", 2)
    play = Play(seed=3, dies=0.0)
    town = play.town
    batch = batch_of("PPD", odfi=HARBOR, company="1")
    for _ in range(12):
        batch.add(transaction_code=22, routing_number=MEADOW, account="1", amount_cents=1, individual_name="A")
    play._submit(file_of(batch))
    town.settle()
    town.do(RunWindow())
    home, away = (town.shards[town._shard(bank)] for bank in (HARBOR, MEADOW))
    settle_without(town, away.place.log_name)
    assert len(home.machine.processing.state.sent) == 2
    home.crash()
    town.settle()
    assert [entry["state"] for entry in play.entries()] == ["posted"] * 12
    check_rest(play)


def test_a_batch_of_an_institution_elsewhere_is_told_where_it_belongs() -> None:
    town = Play(seed=1, dies=0.0).town
    harbor = town.shards[town._shard(HARBOR)]
    content = a_file(MEADOW, to=HARBOR, account="1", cents=1)
    reply = town._told(harbor.place.partition, SubmitFile(content))
    assert isinstance(reply, FileRefused)
    (error,) = reply.errors
    assert (reply.reason, error.code) == ("other_shard", "other_shard")
    assert f"kept in shard {town._shard(MEADOW)}" in error.message


def test_windows_are_run_by_the_house_which_is_told_until_when() -> None:
    town = Play(seed=1, dies=0.0).town
    assert town._told(1, RunWindow(5)) == Refused("shard", "windows are run by shard 0, and this is payments/1")
    refused = town._told(0, RunWindow())
    assert isinstance(refused, Refused)
    assert refused.reason == "through"


def test_the_house_stops_if_net_positions_do_not_sum_to_zero() -> None:
    shard = Play(seed=1, dies=0.0).town.shards[0]
    state = shard.machine.processing.state
    house = House([5], [], Course(phase=3, done=[0, 1, 2], net_cents=2))
    with pytest.raises(Bug, match="net positions over all shards sum to zero"):
        hear_closed(house, state.caller, Closed(0, -1), shard=3)
    with pytest.raises(Bug, match="all shards are in one phase"):
        hear_done(House([5], [], Course(phase=1)), state.caller, PhaseDone(0, 0), shard=2)
