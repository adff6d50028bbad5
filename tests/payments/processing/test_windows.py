"""Windows by the schedule and by hand."""

from typing import Any

import msgspec
import pytest

from ropewalk.systems.payments.ach.building import returned
from ropewalk.systems.payments.processing.limits import Steps
from ropewalk.systems.payments.processing.messages import (
    FileAccepted,
    GetAccount,
    GetProgress,
    ListEntries,
    ListWindows,
    NewAccount,
    OpenAccounts,
    OpenInstitution,
    OpenOriginator,
    Refused,
    RunWindow,
    SubmitFile,
    WindowStarted,
)
from tests.payments.processing.town import HARBOR, MEADOW, Town, batch_of, file_of


def asked(town: Town, query: Any) -> Any:
    return msgspec.msgpack.decode(town.ask(query))


@pytest.fixture
def town() -> Town:
    town = Town(steps=Steps(entries=3, answers=2))
    for bank in (HARBOR, MEADOW):
        town.do(OpenInstitution(bank, bank))
    town.do(OpenAccounts([NewAccount(HARBOR, "1", overdraft=True), NewAccount(MEADOW, "2")]))
    town.do(OpenOriginator(HARBOR, "1", "ROPE WORKS", "1"))
    return town


def submit(town: Town, *lines: tuple[int, int], effective: str, modifier: str = "A") -> None:
    batch = batch_of("PPD", company="1", effective=effective)
    for code, cents in lines:
        batch.add(transaction_code=code, routing_number=MEADOW, account="2", amount_cents=cents, individual_name="A")
    assert isinstance(town.do(SubmitFile(file_of(batch, modifier=modifier))), FileAccepted)


def states(town: Town, file: int = 0) -> list[str]:
    return [entry["state"] for entry in asked(town, ListEntries(file))]


def test_credits_are_posted_before_debits_of_the_same_window(town: Town) -> None:
    submit(town, (27, 100), (22, 100), effective="261125")
    town.at("2026-11-25 08:30")
    assert states(town) == ["posted", "posted"]
    assert asked(town, GetAccount(MEADOW, "2"))["balance_cents"] == 0


def test_a_window_by_hand_takes_the_next_that_is_due_and_no_more(town: Town) -> None:
    submit(town, (22, 1), effective="261130")
    submit(town, (22, 2), effective="261127", modifier="B")
    assert town.do(RunWindow()) == WindowStarted(0)
    town.settle()
    assert (states(town, 0), states(town, 1)) == (["pending"], ["posted"])
    assert town.do(RunWindow()) == WindowStarted(1)
    town.settle()
    assert states(town, 0) == ["posted"]
    assert isinstance(town.do(RunWindow()), Refused)


def test_who_asks_again_while_a_window_closes_is_told_of_it_unless_it_leaves_out_what_came_since(town: Town) -> None:
    submit(town, *[(22, 1)] * 8, effective="261125")
    town.settle()
    assert town.do(RunWindow()) == WindowStarted(0)
    town.batch([])
    assert "pending" in states(town)
    assert town.do(RunWindow()) == WindowStarted(0)
    submit(town, (22, 1), effective="261130", modifier="B")
    assert town.do(RunWindow()) == WindowStarted(0), "what is due later is no reason for another"
    submit(town, (22, 1), effective="261125", modifier="C")
    assert town.do(RunWindow()) == town.do(RunWindow()) == WindowStarted(1)
    town.settle()
    assert [window["posted"] for window in asked(town, ListWindows())] == [8, 1]
    assert town.do(RunWindow()) == WindowStarted(2), "what was due later"


def test_a_window_by_hand_takes_what_is_due_by_the_time_it_is_told(town: Town) -> None:
    submit(town, (22, 1), effective="261130")
    submit(town, (22, 2), effective="261127", modifier="B")
    town.do(RunWindow(through_ns=town.time_ns + 14 * 86_400_000_000_000))
    town.settle()
    assert (states(town, 0), states(town, 1)) == (["posted"], ["posted"])
    assert [window["by_hand"] for window in asked(town, ListWindows())] == [True]


def test_windows_that_were_missed_settle_one_after_the_other(town: Town) -> None:
    submit(town, (22, 1), effective="261125")
    submit(town, (22, 2), effective="261127", modifier="B")
    town.settle()
    town.time_ns += 30 * 86_400_000_000_000
    town.settle()
    windows = asked(town, ListWindows())
    assert [window["settled"] for window in windows] == ["2026-11-25", "2026-11-27"]
    assert asked(town, GetProgress())["next_due_ns"] is None


def test_what_a_window_takes_in_several_batches_it_settles_whole(town: Town) -> None:
    submit(town, *[(22, 1)] * 8, effective="261125")
    town.at("2026-11-25 08:30")
    batch = batch_of("PPD", odfi=MEADOW, company="1")
    for entry in asked(town, ListEntries(0)):
        addenda = [returned("R03", trace=int(entry["trace"]), rdfi=int(MEADOW[:8]))]
        batch.add(
            transaction_code=21,
            routing_number=HARBOR,
            account="2",
            amount_cents=1,
            individual_name="A",
            addenda=addenda,
        )
    assert isinstance(town.do(SubmitFile(file_of(batch, modifier="B"))), FileAccepted)
    town.at("2026-11-25 13:00")
    assert states(town, 0) == ["returned"] * 8
    assert [window["posted"] for window in asked(town, ListWindows())] == [8, 8]


def test_the_machine_sleeps_until_the_next_window(town: Town) -> None:
    submit(town, (22, 1), effective="261125")
    town.settle()
    assert town.wakes_at_ns == asked(town, GetProgress())["next_due_ns"] == asked(town, ListEntries(0))[0]["due_ns"]
    town.at("2026-11-25 09:00")
    assert town.wakes_at_ns is None
