"""A client over several targets, in virtual time: what is sent, to whom, how often, and what the caller is told."""

import asyncio
from collections.abc import Awaitable, Callable
from random import Random

import pytest

from ropewalk.communication.balancing import Standing
from ropewalk.communication.breaker import State
from ropewalk.communication.bulkhead import Bulkhead
from ropewalk.communication.client import Client
from ropewalk.communication.deadlines import Deadline
from ropewalk.communication.limits import (
    ATTEMPTS_MAX,
    BACKOFF_BASE_S,
    BREAKER_CALLS_LEAST,
    BREAKER_OPEN_S,
    HEDGE_LATENCIES_LEAST,
    HOP_MARGIN_S,
    RETRY_SHARE,
    RETRY_TOKENS_MAX,
)
from ropewalk.communication.outcomes import Unreachable
from ropewalk.communication.retries import Nature
from ropewalk.errors import NotAccepted, OutcomeUnknown, Rejected, RopewalkError
from ropewalk.proving.virtual import run_virtual


async def virtual(seconds: float) -> None:
    """Let so much virtual time pass."""
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, passed.set)
    await passed.wait()


class Node:
    """A target that takes so long and then answers with its name, or fails."""

    def __init__(self, name: str, *, takes_s: float = 0.01, error: Exception | None = None) -> None:
        self.name = name
        self.takes_s = takes_s
        self.error = error
        self.asked: list[str] = []
        self.deadlines: list[Deadline] = []
        self.given_up = 0

    async def send(self, request: str, *, deadline: Deadline) -> str:
        self.asked.append(request)
        self.deadlines.append(deadline)
        try:
            await virtual(self.takes_s)
        except asyncio.CancelledError:
            self.given_up += 1
            raise
        if self.error is not None:
            raise self.error
        return self.name


Story = Callable[[Client[str, str]], Awaitable[None]]


def run(
    story: Story,
    *nodes: Node,
    running_max: int = 256,
    waiting_max: int = 1_024,
    draw: Callable[[], float] | None = None,
) -> None:
    def bulkhead() -> Bulkhead:
        return Bulkhead(running_max=running_max, waiting_max=waiting_max)

    async def main() -> None:
        client = Client(nodes, draw=draw or Random(5).random, bulkhead=bulkhead)
        await story(client)
        assert [(target.running, target.waiting) for target in client.state().targets] == [(0, 0)] * len(nodes)

    run_virtual(main())


def now_s() -> float:
    return asyncio.get_running_loop().time()


def test_a_target_that_is_not_there_is_replaced_by_another_in_the_same_call() -> None:
    gone, there = Node("gone", error=Unreachable("nobody there")), Node("there")

    async def story(client: Client[str, str]) -> None:
        for _ in range(10):
            assert await client.call("pay", nature=Nature.WRITE) == "there"

    run(story, gone, there)
    assert len(there.asked) == 10


@pytest.mark.parametrize(
    ("nature", "asked"), [(Nature.WRITE, 1), (Nature.REPEATABLE_WRITE, ATTEMPTS_MAX), (Nature.READ, ATTEMPTS_MAX)]
)
def test_what_may_have_happened_is_sent_again_only_if_that_is_safe(nature: Nature, asked: int) -> None:
    silent = Node("silent", error=OutcomeUnknown("the connection broke"))

    async def story(client: Client[str, str]) -> None:
        with pytest.raises(OutcomeUnknown):
            await client.call("pay", nature=nature)

    run(story, silent)
    assert len(silent.asked) == asked


@pytest.mark.parametrize(("nature", "told"), [(Nature.REPEATABLE_WRITE, OutcomeUnknown), (Nature.READ, NotAccepted)])
def test_a_last_attempt_that_did_nothing_does_not_hide_that_an_earlier_one_may_have(
    nature: Nature, told: type[Exception]
) -> None:
    silent = Node("silent", takes_s=1.0, error=OutcomeUnknown("the connection broke"))

    async def story(client: Client[str, str]) -> None:
        asyncio.get_running_loop().call_later(1.5, setattr, silent, "error", NotAccepted("full", retry_after_s=0.5))
        with pytest.raises(told):
            await client.call("pay", nature=nature, deadline_s=60.0)

    run(story, silent)
    assert len(silent.asked) == ATTEMPTS_MAX


def test_a_rejected_request_is_sent_once() -> None:
    strict = Node("strict", error=Rejected("no such account"))

    async def story(client: Client[str, str]) -> None:
        with pytest.raises(Rejected, match="no such account"):
            await client.call("pay", nature=Nature.REPEATABLE_WRITE)

    run(story, strict)
    assert len(strict.asked) == 1


@pytest.mark.parametrize("part", [0.0, 0.25, 0.75])
def test_each_pause_is_the_part_of_its_bound_that_was_drawn(part: float) -> None:
    silent = Node("silent", takes_s=0.0, error=OutcomeUnknown("the connection broke"))

    async def story(client: Client[str, str]) -> None:
        began_s = now_s()
        with pytest.raises(OutcomeUnknown):
            await client.call("look", nature=Nature.READ)
        bounds_s = [BACKOFF_BASE_S * 2**number for number in range(ATTEMPTS_MAX - 1)]
        assert now_s() - began_s == pytest.approx(part * sum(bounds_s))

    run(story, silent, draw=lambda: part)


def test_a_target_that_asks_for_time_does_not_keep_the_caller_from_another() -> None:
    busy, there = Node("busy", error=NotAccepted("full", retry_after_s=30.0)), Node("there")

    async def story(client: Client[str, str]) -> None:
        for _ in range(10):
            began_s = now_s()
            assert await client.call("pay", nature=Nature.WRITE, deadline_s=5.0) == "there"
            assert now_s() - began_s < 1.0

    run(story, busy, there)
    assert len(busy.asked) == 1, "it is left alone for as long as it asked"


def test_a_target_that_is_busy_gets_the_time_that_it_asked_for() -> None:
    busy = Node("busy", takes_s=0.0, error=NotAccepted("full", retry_after_s=5.0))

    async def story(client: Client[str, str]) -> None:
        with pytest.raises(NotAccepted):
            await client.call("pay", nature=Nature.WRITE, deadline_s=60.0)
        assert now_s() >= 5.0 * (ATTEMPTS_MAX - 1)
        assert client.state().targets[0].breaker is State.CLOSED

    run(story, busy)


@pytest.mark.parametrize("nature", [Nature.WRITE, Nature.READ, Nature.STALE_READ])
def test_a_call_ends_by_its_deadline_and_what_was_sent_may_have_happened(nature: Nature) -> None:
    hanging = Node("hanging", takes_s=1_000.0)

    async def story(client: Client[str, str]) -> None:
        with pytest.raises(OutcomeUnknown, match="hanging did not answer by the deadline"):
            await client.call("pay", nature=nature, deadline_s=2.0)
        assert now_s() == pytest.approx(2.0)

    run(story, hanging)
    assert hanging.given_up == 1


def test_the_deadline_travels_and_shrinks() -> None:
    slow = Node("slow", takes_s=1.0, error=NotAccepted("not yet", retry_after_s=0.0))

    async def story(client: Client[str, str]) -> None:
        with pytest.raises(NotAccepted):
            await client.call("pay", nature=Nature.WRITE, deadline_s=30.0)

    run(story, slow)
    assert {deadline.at_s for deadline in slow.deadlines} == {30.0 - HOP_MARGIN_S}


def test_a_request_whose_deadline_is_too_near_is_not_sent() -> None:
    node = Node("a")

    async def story(client: Client[str, str]) -> None:
        with pytest.raises(NotAccepted, match="too near to ask a"):
            await client.call("pay", nature=Nature.WRITE, deadline_s=HOP_MARGIN_S)

    run(story, node)
    assert node.asked == []


def test_a_target_that_hangs_holds_as_many_calls_as_may_and_the_rest_learn_that_nothing_happened() -> None:
    hanging = Node("hanging", takes_s=1_000.0)
    outcomes: list[str] = []

    async def call(client: Client[str, str]) -> None:
        try:
            await client.call("pay", nature=Nature.WRITE, deadline_s=5.0)
        except RopewalkError as error:
            outcomes.append(type(error).__name__)

    async def story(client: Client[str, str]) -> None:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(10):
                tasks.create_task(call(client))

    run(story, hanging, running_max=2, waiting_max=3)
    assert sorted(outcomes) == ["NotAccepted"] * 8 + ["OutcomeUnknown"] * 2
    assert len(hanging.asked) == 2


def test_a_target_that_fails_is_left_alone_and_found_again_when_it_is_well() -> None:
    sick = Node("sick", takes_s=0.0, error=OutcomeUnknown("broken"))

    async def story(client: Client[str, str]) -> None:
        for _ in range(BREAKER_CALLS_LEAST):
            with pytest.raises(OutcomeUnknown):
                await client.call("pay", nature=Nature.WRITE)
        assert client.state().targets[0].breaker is State.OPEN
        with pytest.raises(NotAccepted, match="all 1 targets have failed and are left alone"):
            await client.call("pay", nature=Nature.WRITE, deadline_s=1.0)
        assert len(sick.asked) == BREAKER_CALLS_LEAST
        sick.error = None
        await virtual(BREAKER_OPEN_S)
        for _ in range(3):
            assert await client.call("pay", nature=Nature.WRITE) == "sick"
        assert client.state().targets[0].breaker is State.CLOSED

    run(story, sick)


def test_when_all_targets_fail_they_see_little_more_than_the_requests() -> None:
    nodes = [Node(name, takes_s=0.0, error=OutcomeUnknown("broken")) for name in "abc"]
    requests = 300

    async def story(client: Client[str, str]) -> None:
        for number in range(requests):
            # Far from the retries that are allowed by time alone.
            assert now_s() < 30.0
            with pytest.raises((OutcomeUnknown, NotAccepted)):
                await client.call(str(number), nature=Nature.READ, deadline_s=0.1)

    run(story, *nodes)
    asked = sum(len(node.asked) for node in nodes)
    assert asked <= requests * (1 + RETRY_SHARE) + RETRY_TOKENS_MAX


async def learn(client: Client[str, str], *nodes: Node) -> None:
    """Let the client learn that a read takes some milliseconds more than it will."""
    for node in nodes:
        node.takes_s = 0.015
    for _ in range(HEDGE_LATENCIES_LEAST):
        await client.call("look", nature=Nature.STALE_READ)
    for node in nodes:
        node.takes_s = 0.01


def test_a_stale_read_that_is_late_is_answered_by_another_target_and_the_slow_one_is_given_up() -> None:
    nodes = [Node("a"), Node("b")]

    async def story(client: Client[str, str]) -> None:
        await learn(client, *nodes)
        nodes[0].takes_s = 100.0
        began_s = now_s()
        async with asyncio.TaskGroup() as tasks:
            # Two at once, so that each target gets one.
            reads = [tasks.create_task(client.call("look", nature=Nature.STALE_READ)) for _ in range(2)]
        assert [read.result() for read in reads] == ["b", "b"]
        assert now_s() - began_s < 0.1
        assert client.state().hedges == nodes[0].given_up == 1

    run(story, *nodes)


def test_a_strong_read_and_a_write_are_never_sent_to_two_targets() -> None:
    nodes = [Node("a"), Node("b")]

    async def story(client: Client[str, str]) -> None:
        await learn(client, *nodes)
        before = sum(len(node.asked) for node in nodes)
        for node in nodes:
            node.takes_s = 1.0
        for nature in (Nature.READ, Nature.WRITE, Nature.REPEATABLE_WRITE):
            await client.call("pay", nature=nature)
        assert sum(len(node.asked) for node in nodes) == before + 3
        assert client.state().hedges == 0

    run(story, *nodes)


def test_if_both_of_a_hedged_read_fail_the_caller_gets_the_first_error() -> None:
    nodes = [Node("a"), Node("b")]

    async def story(client: Client[str, str]) -> None:
        await learn(client, *nodes)
        for node in nodes:
            node.takes_s, node.error = 1.0, Rejected(f"{node.name} can't read this")
        with pytest.raises(Rejected):
            await client.call("look", nature=Nature.STALE_READ)
        assert client.state().hedges == 1

    run(story, *nodes)


@pytest.mark.parametrize("hedges", [0, 1])
def test_a_bug_in_one_attempt_of_a_hedged_read_comes_out_as_itself(hedges: int) -> None:
    nodes = [Node("a"), Node("b")]

    async def story(client: Client[str, str]) -> None:
        await learn(client, *nodes)
        for node in nodes:
            node.takes_s, node.error = 0.001 + hedges, KeyError("a bug")
        with pytest.raises(KeyError, match="a bug"):
            await client.call("look", nature=Nature.STALE_READ)
        assert client.state().hedges == hedges

    run(story, *nodes)


def test_a_caller_who_goes_away_frees_what_it_held() -> None:
    hanging = Node("hanging", takes_s=1_000.0)

    async def story(client: Client[str, str]) -> None:
        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(client.call("pay", nature=Nature.WRITE)) for _ in range(4)]
            await virtual(1.0)
            for call in calls:
                call.cancel()

    run(story, hanging, running_max=2, waiting_max=3)
    assert hanging.given_up == len(hanging.asked) == 2


def test_requests_go_to_who_is_quick_and_an_outlier_is_ejected() -> None:
    slow, quick, sick = Node("slow", takes_s=0.5), Node("quick"), Node("sick", error=OutcomeUnknown("broken"))

    async def story(client: Client[str, str]) -> None:
        for _ in range(100):
            await client.call("look", nature=Nature.READ)
        assert client.state().targets[2].standing in (Standing.EJECTED, Standing.SOUND)

    run(story, slow, quick, sick)
    assert len(quick.asked) > 3 * len(slow.asked)
    assert len(sick.asked) < 30


@pytest.mark.parametrize("count", [0, 257])
def test_a_client_has_some_targets_and_not_too_many(count: int) -> None:
    async def main() -> None:
        with pytest.raises(Rejected, match=f"was given {count} targets"):
            Client([Node("a")] * count, draw=Random(1).random)

    run_virtual(main())
