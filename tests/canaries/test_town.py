"""Planted bugs, one for each thing that a town checks beyond what a world does."""

from collections.abc import Sequence
from typing import Any

import pytest

from ropewalk.core.machine import Outcome, Received
from ropewalk.core.mailbox import Delivery, Letter, Mailbox, Receipt
from ropewalk.core.partition import Partition
from ropewalk.proving.town import run_town
from ropewalk.proving.verdict import Breach
from ropewalk.proving.workloads import branches
from ropewalk.proving.workloads.branches import Branches
from ropewalk.runtime import leader
from ropewalk.runtime.courier import Courier

SEEDS = 12


def claim_found() -> str:
    """The first broken promise in so many towns."""
    verdicts = (run_town(Branches(), seed) for seed in range(SEEDS))
    return next((verdict.claim for verdict in verdicts if isinstance(verdict, Breach)), "nothing was found")


def test_without_a_bug_nothing_is_found() -> None:
    assert claim_found() == "nothing was found"


def test_an_inbox_that_forgets_its_numbers_at_a_snapshot(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Mailbox.load

    def load_and_forget(own: Any, saved: bytes) -> None:
        load(own, saved)
        own._inbox.clear()

    monkeypatch.setattr(Mailbox, "load", load_and_forget)
    assert "taken in" in claim_found()


def test_a_receiver_that_applies_a_repeated_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    def take_in(own: Any, delivery: Delivery) -> Sequence[Received]:
        own._inbox[delivery.sender] = delivery.first + len(delivery.letters) - 1
        return [
            Received(delivery.sender, each.command, each.tag, each.is_reply, number)
            for number, each in enumerate(delivery.letters, start=delivery.first)
        ]

    monkeypatch.setattr(Mailbox, "take_in", take_in)
    assert "each message takes effect once, in order" in claim_found()


def test_a_courier_that_begins_behind_what_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    deliver = Courier._delivery

    def skipping(own: Any, receiver: str) -> Delivery:
        delivery = deliver(own, receiver)
        return Delivery(delivery.sender, receiver, delivery.first + 1, delivery.letters[1:] or delivery.letters)

    monkeypatch.setattr(Courier, "_delivery", skipping)
    assert "comes to rest" in claim_found()


def test_an_outbox_that_forgets_letters_before_they_are_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    receipts = Courier.receipts

    def too_much(own: Any) -> list[Receipt]:
        return [Receipt(each.receiver, own._mailbox.sent(each.receiver)) for each in receipts(own)]

    monkeypatch.setattr(Courier, "receipts", too_much)
    assert "comes to rest" in claim_found()


def test_a_courier_that_leaves_one_out(monkeypatch: pytest.MonkeyPatch) -> None:
    letters = Mailbox.letters

    def one_less(own: Any, receiver: str, *, after: int, count_max: int, bytes_max: int) -> tuple[int, list[Letter]]:
        first, chosen = letters(own, receiver, after=after, count_max=count_max, bytes_max=bytes_max)
        return first, chosen[1:] if len(chosen) > 1 else chosen

    monkeypatch.setattr(Mailbox, "letters", one_less)
    assert "a delivery holds what was sent under its numbers" in claim_found()


def test_a_sender_that_numbers_anew_after_a_recovery(monkeypatch: pytest.MonkeyPatch) -> None:
    load = Mailbox.load

    def load_and_number(own: Any, saved: bytes) -> None:
        load(own, saved)
        for lane in own._outbox.values():
            lane.first = 1

    monkeypatch.setattr(Mailbox, "load", load_and_number)
    assert claim_found() != "nothing was found"


def test_a_reply_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    def post(own: Any, outcome: Outcome, messages: Sequence[Received]) -> None:
        for sent in outcome.sent:
            own.mailbox.post(sent.to, Letter(sent.command, sent.tag))

    monkeypatch.setattr(Partition, "_post", post)
    assert "under its numbers" in claim_found()


def test_a_delivery_that_is_answered_before_it_is_taken_in(monkeypatch: pytest.MonkeyPatch) -> None:
    async def deliver(own: Any, delivery: Delivery) -> int:
        through = delivery.first + len(delivery.letters) - 1
        own._mail._waiting.append(leader.Arrival(delivery, own._loop.create_future()))
        own._calls.arrived.set()
        return through

    monkeypatch.setattr(leader.Leader, "deliver", deliver)
    assert "what comes was sent before" in claim_found()


def test_another_number_of_partitions_that_is_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check_partitions(*_: object) -> None:
        return None

    monkeypatch.setattr(leader, "check_partitions", check_partitions)
    assert "nobody leads with another number of partitions" in claim_found()


def test_money_that_is_lost_on_the_way(monkeypatch: pytest.MonkeyPatch) -> None:
    apply = branches.apply

    def apply_wrongly(state: Any, entry: Any) -> Any:
        applied = apply(state, entry)
        if isinstance(entry.command, branches.Refund) and entry.command.amount == 7:
            return branches.Applied(applied.reply)
        return applied

    monkeypatch.setattr(branches, "apply", apply_wrongly)
    claim = claim_found()
    assert "money is neither made nor lost" in claim or "judge" in claim
