"""Decisions in an issuer's place: under its limits, repeated, told to it once, and compared with what it says."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from ropewalk import open_engine, open_node
from ropewalk.communication.admission import Priority
from ropewalk.core.machine import Message, Received, Request
from ropewalk.core.place import Place
from ropewalk.errors import OutcomeUnknown, Rejected
from ropewalk.runtime.calls import Answers
from ropewalk.runtime.node import Node
from ropewalk.systems.payments.cards import standing_in
from ropewalk.systems.payments.cards.client import connected_cards
from ropewalk.systems.payments.cards.commands import (
    Answer,
    Authorise,
    Complete,
    ListStandIns,
    Movement,
    Origin,
    Reverse,
    StandIn,
    StandInView,
    decode_command,
    encode_command,
    encode_query,
)
from ropewalk.systems.payments.cards.masking import masked
from ropewalk.systems.payments.cards.reasons import Reason
from ropewalk.systems.payments.cards.server import Terms, serving_cards
from ropewalk.systems.payments.cards.specification import load_specification
from tests.payments.cards.bank import DAY_NS, KEY, Bank, number_of
from tests.payments.cards.served import NOW_NS, message, naming, open_bank, service
from tests.payments.processing.town import MEADOW

TOKEN, SHOWN = KEY.token(number_of(1)), masked(number_of(1))
ISSUER = 1


def neighbour() -> Bank:
    """A partition that stands in for the one that issues the cards."""
    return Bank(Place("payments", 0, 2))


def issuer() -> Bank:
    one = Bank(Place("payments", ISSUER, 2))
    one.open()
    one.account("7", 100_00)
    one.issue(1, account="7")
    return one


def origin(trace: int, at: str = "1125120000") -> Origin:
    return Origin("17", at, f"{trace:06}")


def hold(trace: int, cents: int, *, at: str = "1125120000") -> Authorise:
    return Authorise(origin(trace, at), TOKEN, SHOWN, cents, "840")


def complete(trace: int, cents: int, *, of: int) -> Complete:
    """An advice: it was spent."""
    return Complete(origin(trace), TOKEN, SHOWN, cents, "840", "", origin(of), is_decided=True)


def reverse(cents: int, *, of: int) -> Reverse:
    return Reverse(origin(of), TOKEN, SHOWN, cents, "840")


def ask(stand_in: Bank, movement: Movement, *, limit: int = 50_00, day: int = 80_00) -> Reason:
    reply = stand_in.do(StandIn(ISSUER, movement, limit, day))
    assert isinstance(reply, Answer)
    return Reason(reply.reason)


def told(stand_in: Bank) -> list[Message]:
    """What the issuer is told."""
    messages, stand_in.sent = stand_in.sent, []
    assert {each.to for each in messages} <= {f"payments/{ISSUER}"}
    return messages


def deliver(stand_in: Bank, messages: list[Message], to: Bank) -> None:
    """The messages arrive, in order, and their replies come back."""
    for each in messages:
        reply = to.receive(Received("payments/0", each.command, each.tag))
        stand_in.receive(Received(each.to, reply, each.tag, is_reply=True))


def views(stand_in: Bank, *, disputed: bool = False) -> list[StandInView]:
    return msgspec.msgpack.decode(stand_in.cards.read(encode_query(ListStandIns(disputed))), type=list[StandInView])


def outcomes(stand_in: Bank, *, disputed: bool = False) -> list[tuple[str, str]]:
    return [(each.what, each.outcome) for each in views(stand_in, disputed=disputed)]


def test_what_is_approved_never_exceeds_the_limits_at_once_and_on_a_day() -> None:
    one = neighbour()
    assert ask(one, hold(1, 50_01)) is Reason.ISSUER_UNAVAILABLE
    assert ask(one, hold(2, 50_00)) is Reason.APPROVED
    assert ask(one, hold(3, 30_01)) is Reason.ISSUER_UNAVAILABLE
    assert ask(one, hold(4, 30_00)) is Reason.APPROVED
    one.time_ns += DAY_NS
    assert ask(one, hold(5, 50_00, at="1126120000")) is Reason.APPROVED
    assert ask(one, hold(6, 1, at="1126120000"), limit=0, day=0) is Reason.ISSUER_UNAVAILABLE


def test_a_completion_that_asks_is_bound_by_the_limits_and_one_that_tells_is_not() -> None:
    one, other = neighbour(), issuer()
    asks = msgspec.structs.replace(complete(2, 50_01, of=1), is_decided=False)
    assert ask(one, asks) is Reason.ISSUER_UNAVAILABLE
    assert ask(one, msgspec.structs.replace(asks, amount_minor=50_00)) is Reason.TRACE_USED
    assert ask(one, complete(3, 1_000_000_00, of=1), limit=0, day=0) is Reason.APPROVED
    other.do(hold(1, 60_00))
    other.do(asks)
    assert other.balance(0) == (49_99, 0)
    deliver(one, told(one)[:1], other)
    assert other.balance(0) == (100_00, 0)


def test_a_repeat_gets_the_same_answer_and_is_told_once() -> None:
    one = neighbour()
    assert [ask(one, hold(1, 50_00)) for _ in range(3)] == [Reason.APPROVED] * 3
    assert [ask(one, hold(2, 90_00)) for _ in range(3)] == [Reason.ISSUER_UNAVAILABLE] * 3
    assert ask(one, hold(1, 1)) is Reason.TRACE_USED
    assert len(told(one)) == 2


def test_the_issuer_holds_what_was_approved_and_agrees() -> None:
    one, other = neighbour(), issuer()
    ask(one, hold(1, 40_00))
    ask(one, complete(2, 35_00, of=1))
    assert outcomes(one) == [("completion", "waiting"), ("authorisation", "waiting")]
    deliver(one, told(one), other)
    assert other.balance(0) == (65_00, 0)
    assert outcomes(one) == [("completion", "agreed"), ("authorisation", "agreed")]
    assert outcomes(one, disputed=True) == []


def test_what_the_customer_can_not_pay_is_the_banks_and_disputed() -> None:
    one, other = neighbour(), issuer()
    assert ask(one, hold(1, 400_00), limit=500_00, day=500_00) is Reason.APPROVED
    deliver(one, told(one), other)
    assert other.balance(0) == (100_00, 0)
    assert other.suspense() == -400_00
    assert outcomes(one, disputed=True) == [("authorisation", "disputed")]


def test_what_is_decided_is_taken_whole_though_a_part_would_do() -> None:
    one, other = neighbour(), issuer()
    assert ask(one, msgspec.structs.replace(hold(1, 120_00), takes_part=True), limit=500_00, day=500_00) == 0
    deliver(one, told(one), other)
    assert other.balance(0) == (100_00, 0)
    ask(one, complete(2, 120_00, of=1))
    deliver(one, told(one), other)
    assert other.suspense() == -120_00


def test_an_issuer_that_had_said_yes_before_it_fell_silent_holds_it_once() -> None:
    one, other = neighbour(), issuer()
    other.do(hold(1, 40_00))
    ask(one, hold(1, 40_00))
    deliver(one, told(one), other)
    assert other.balance(0) == (100_00, 40_00)
    assert outcomes(one) == [("authorisation", "agreed")]


def test_an_issuer_that_had_said_yes_gives_it_up_if_its_place_holder_says_no() -> None:
    one, other = neighbour(), issuer()
    other.do(hold(1, 90_00))
    assert ask(one, hold(1, 90_00)) is Reason.ISSUER_UNAVAILABLE
    deliver(one, told(one), other)
    assert other.balance(0) == (100_00, 0)
    assert outcomes(one) == [("authorisation", "agreed")]


def test_a_reversal_is_taken_and_follows_what_it_reverses() -> None:
    one, other = neighbour(), issuer()
    ask(one, hold(1, 40_00))
    assert ask(one, reverse(40_00, of=1)) is Reason.APPROVED
    deliver(one, told(one), other)
    assert other.balance(0) == (100_00, 0)
    assert outcomes(one) == [("reversal", "agreed"), ("authorisation", "agreed")]


def test_a_reversal_that_is_taken_first_stops_its_message() -> None:
    one, other = neighbour(), issuer()
    assert ask(one, reverse(40_00, of=1)) is Reason.APPROVED
    assert ask(one, hold(1, 40_00)) is Reason.REVERSED_IN_ADVANCE
    assert ask(one, complete(2, 40_00, of=1)) is Reason.APPROVED
    deliver(one, told(one), other)
    assert other.balance(0) == (100_00, 0)
    assert outcomes(one) == [("completion", "disputed"), ("reversal", "agreed")]


def test_what_the_issuer_refused_and_its_place_holder_allowed_is_not_moved_after_its_reversal() -> None:
    one, other = neighbour(), issuer()
    purchase = msgspec.structs.replace(hold(1, 400_00), posts=True)
    assert other.do(purchase) == Answer(Reason.INSUFFICIENT_FUNDS)
    assert ask(one, purchase, limit=500_00, day=500_00) is Reason.APPROVED
    assert [other.do(reverse(400_00, of=1)) for _ in range(2)] == [Answer(Reason.WAS_REFUSED)] * 2
    deliver(one, told(one), other)
    assert (other.balance(0), other.suspense()) == ((100_00, 0), 0)
    assert outcomes(one, disputed=True) == [("purchase", "disputed")]


def test_a_completion_that_the_issuer_refuses_is_disputed() -> None:
    one, other = neighbour(), issuer()
    assert ask(one, complete(2, 10_00, of=1)) is Reason.APPROVED
    deliver(one, told(one), other)
    assert [(each.outcome, each.issuer_code) for each in views(one, disputed=True)] == [("disputed", "25")]


def test_decisions_survive_a_restart() -> None:
    one = neighbour()
    ask(one, hold(1, 40_00))
    again = neighbour()
    again.cards.load(one.cards.save().parts)
    assert ask(again, hold(1, 40_00)) is Reason.APPROVED
    assert ask(again, hold(2, 41_00)) is Reason.ISSUER_UNAVAILABLE
    assert again.cards.save() != one.cards.save()


def test_memory_is_bounded_and_what_the_issuer_has_not_seen_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing_in, "STAND_INS_KEPT", 3)
    monkeypatch.setattr(standing_in, "STAND_INS_OPEN_MAX", 2)
    one, other = neighbour(), issuer()
    assert [ask(one, hold(trace, 1)) for trace in range(3)] == [
        Reason.APPROVED, Reason.APPROVED, Reason.NOBODY_DECIDES,
    ]  # fmt: skip
    deliver(one, told(one), other)
    assert [ask(one, hold(trace, 1)) for trace in range(3, 5)] == [Reason.APPROVED] * 2
    assert [each.trace for each in views(one)] == ["000004", "000003", "000001"]


def test_only_authorisations_are_marked_as_decided() -> None:
    one = neighbour()
    for movement in (hold(1, 1), complete(2, 1, of=1), reverse(1, of=1)):
        ask(one, movement)
    commands = [decode_command(each.command) for each in told(one)]
    assert commands == [
        msgspec.structs.replace(hold(1, 1), is_decided=True), complete(2, 1, of=1), reverse(1, of=1),
    ]  # fmt: skip


def test_over_the_wire_the_neighbour_stands_in_and_the_issuer_learns_of_it(tmp_path: Path) -> None:
    terms = Terms(KEY, load_specification())
    first, refused = message("0100", 0, 30_00, bin_="410000"), message("0100", 0, 90_00, bin_="410000")
    second = message("0100", 0, 40_00, bin_="410000")

    async def main() -> list[tuple[str, str, str]]:
        async with open_node(service(2), open_engine(f"sqlite:{tmp_path}"), clock_ns=lambda: NOW_NS) as node:
            await open_bank(node, cards=1, partition=0)
            await open_bank(node, cards=1, partition=ISSUER, bin_="410000", routing=MEADOW, stand_in=50_00)
            async with (
                serving_cards(node, terms, port=0) as address,
                connected_cards(*address, terms.specification) as client,
            ):
                assert (await client.ask(message("0100", 0, 1_00)))["39"] == "00"
                assert (await client.ask(message("0100", 0, 1_00, bin_="420000")))["39"] == "15"
                assert (await client.ask(first))["39"] == "00"
                await node.leaders[ISSUER].stop()
                asked = [
                    second,
                    second | {"t": "0101"},
                    refused,
                    message("0420", 0, 30_00, bin_="410000", f90=naming(first)),
                ]
                assert [(await client.ask(each))["39"] for each in asked] == ["00", "00", "91", "00"]
                assert (await client.ask(message("0100", 0, 1_00)))["39"] == "00"
        async with open_node(service(2), open_engine(f"sqlite:{tmp_path}"), clock_ns=lambda: NOW_NS) as node:
            listed = await stand_ins(node)
            while any(each.outcome == "waiting" for each in listed):
                listed = await stand_ins(node)
            return [(each.what, each.outcome, each.code) for each in listed]

    assert asyncio.run(main()) == [
        ("reversal", "agreed", "00"), ("authorisation", "agreed", "91"), ("authorisation", "agreed", "00"),
    ]  # fmt: skip


@pytest.mark.parametrize("stopped", ["neighbour", "nobody"])
def test_what_an_issuer_may_have_taken_before_it_fell_silent_is_not_refused(
    stopped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either the neighbour does not answer, or it has decided as much as it may."""
    terms, purchase = Terms(KEY, load_specification()), message("0200", 0, 30_00, bin_="410000")
    if stopped == "nobody":
        monkeypatch.setattr(standing_in, "STAND_INS_OPEN_MAX", 0)

    async def main() -> None:
        async with open_node(service(2), open_engine("memory:"), clock_ns=lambda: NOW_NS) as node:
            await open_bank(node, cards=1, partition=ISSUER, bin_="410000", routing=MEADOW, stand_in=50_00)
            submit = node.leaders[ISSUER].submit

            async def silent(requests: Sequence[Request], *, deadline_s: float, priority: Priority) -> Answers:
                await submit(requests, deadline_s=deadline_s, priority=priority)
                raise OutcomeUnknown("its answer was lost")

            async with (
                serving_cards(node, terms, port=0) as address,
                connected_cards(*address, terms.specification) as client,
            ):
                assert (await client.ask(message("0100", 0, 1_00, bin_="410000")))["39"] == "00"
                monkeypatch.setattr(node.leaders[ISSUER], "submit", silent)
                if stopped == "neighbour":
                    await node.leaders[0].stop()
                with pytest.raises(OutcomeUnknown, match="reverse it"):
                    await client.ask(purchase, deadline_s=0.2)

    asyncio.run(main())


async def stand_ins(node: Node) -> list[StandInView]:
    read = await node.leaders[0].read(encode_query(ListStandIns()))
    await asyncio.sleep(0)
    return msgspec.msgpack.decode(read.answer, type=list[StandInView])


def test_nobody_stands_in_for_a_partition_that_is_not_there() -> None:
    for number in (-1, 2):
        with pytest.raises(Rejected, match=f"no partition {number} to stand in for, but 2"):
            neighbour().cards.vet(encode_command(StandIn(number, hold(1, 1), 0, 0)))
    neighbour().cards.vet(encode_command(StandIn(ISSUER, hold(1, 1), 0, 0)))
