"""The state of admission and of clients, as Prometheus gets it."""

import asyncio
import gc
from random import Random

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from ropewalk.communication.admission import Priority, State
from ropewalk.communication.bulkhead import Bulkhead
from ropewalk.communication.client import Client
from ropewalk.communication.deadlines import Deadline
from ropewalk.communication.limits import (
    ATTEMPTS_MAX,
    BREAKER_CALLS_LEAST,
    HEDGE_LATENCIES_LEAST,
    HEDGE_TOKENS_MAX,
    RETRY_TOKENS_MAX,
)
from ropewalk.communication.retries import Nature
from ropewalk.errors import NotAccepted, OutcomeUnknown
from ropewalk.proving.virtual import run_virtual
from ropewalk.runtime.calls import Bounds, Call, Calls
from ropewalk.runtime.resilience_metrics import ResilienceMetrics


class Broken:
    """A target that never answers well."""

    name = "broken"

    async def send(self, request: str, *, deadline: Deadline) -> str:
        raise OutcomeUnknown(f"the connection broke with {request!r} on its way, to be answered by {deadline.at_s}")


def shown(metrics: ResilienceMetrics) -> list[str]:
    registry = CollectorRegistry()
    registry.register(metrics)
    lines = generate_latest(registry).decode().splitlines()
    return [line for line in lines if not line.startswith("#")]


def calls(limit: int = 1_000) -> Calls:
    return Calls(Bounds(queue_requests_max=limit), now_s=lambda: 0.0)


def test_a_partition_shows_what_it_takes_on_and_what_it_refused() -> None:
    async def story() -> list[str]:
        metrics, of_partition = ResilienceMetrics(), calls()
        metrics.watch_calls("bank", 3, of_partition)
        waiting = Call([], deadline_s=-1.0, answers=asyncio.get_running_loop().create_future())
        of_partition.offer(waiting)
        of_partition.expire()
        assert isinstance(waiting.answers.exception(), NotAccepted)
        assert not of_partition.admission.admits(Priority.BULK, requests=700, calls=100, now_s=0.0)
        return shown(metrics)

    lines = asyncio.run(story())
    labels = 'partition="3",priority="bulk",service="bank"'
    assert f"ropewalk_admitted_requests_max{{{labels}}} 600.0" in lines
    assert f"ropewalk_admission_refused_calls_total{{{labels}}} 1.0" in lines
    assert 'ropewalk_admission_state{partition="3",service="bank",state="pressed"} 1.0' in lines
    assert 'ropewalk_admission_state{partition="3",service="bank",state="free"} 0.0' in lines
    assert 'ropewalk_deadlines_passed_total{partition="3",service="bank"} 1.0' in lines
    assert len(lines) == 2 * len(Priority) + len(State) + 1


def test_a_client_shows_how_it_sees_its_targets() -> None:
    async def story() -> list[str]:
        client = Client([Broken()], draw=Random(1).random)
        metrics = ResilienceMetrics()
        metrics.watch_client("to bank", client)
        for _ in range(BREAKER_CALLS_LEAST):
            with pytest.raises(OutcomeUnknown):
                await client.call("pay", nature=Nature.WRITE)
        return shown(metrics)

    lines = asyncio.run(story())
    client = 'client="to bank"'
    target = f'{client},target="broken"'
    assert {line for line in lines if not line.startswith("ropewalk_target_latency")} == {
        f"ropewalk_client_retries_total{{{client}}} 0.0",
        f"ropewalk_client_hedges_total{{{client}}} 0.0",
        f"ropewalk_client_deadlines_passed_total{{{client}}} 0.0",
        f"ropewalk_client_retry_tokens{{{client}}} {RETRY_TOKENS_MAX}",
        f"ropewalk_client_hedge_tokens{{{client}}} {HEDGE_TOKENS_MAX}",
        f'ropewalk_target_breaker{{{client},state="closed",target="broken"}} 0.0',
        f'ropewalk_target_breaker{{{client},state="open",target="broken"}} 1.0',
        f'ropewalk_target_breaker{{{client},state="half-open",target="broken"}} 0.0',
        f'ropewalk_target_standing{{{client},standing="sound",target="broken"}} 1.0',
        f'ropewalk_target_standing{{{client},standing="busy",target="broken"}} 0.0',
        f'ropewalk_target_standing{{{client},standing="ejected",target="broken"}} 0.0',
        f"ropewalk_target_running_calls{{{target}}} 0.0",
        f"ropewalk_target_waiting_calls{{{target}}} 0.0",
    }


class Late:
    """A target that answers when it is told to."""

    name = "late"

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()

    async def send(self, request: str, *, deadline: Deadline) -> str:
        await self.may_answer.wait()
        return f"{request} by {deadline.at_s}"


def test_what_is_under_way_waits_repeats_and_comes_too_late_is_shown() -> None:
    async def story() -> tuple[list[str], list[str]]:
        late = Late()
        client = Client([late], draw=Random(1).random, bulkhead=lambda: Bulkhead(running_max=1))
        metrics = ResilienceMetrics()
        metrics.watch_client("to bank", client)
        async with asyncio.TaskGroup() as tasks:
            for _ in range(2):
                tasks.create_task(client.call("pay", nature=Nature.WRITE))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            before = shown(metrics)
            late.may_answer.set()
        late.may_answer.clear()
        with pytest.raises(OutcomeUnknown):
            await client.call("look", nature=Nature.READ, deadline_s=0.02)
        return before, shown(metrics)

    before, after = asyncio.run(story())
    target = 'client="to bank",target="late"'
    assert f"ropewalk_target_running_calls{{{target}}} 1.0" in before
    assert f"ropewalk_target_waiting_calls{{{target}}} 1.0" in before
    assert 'ropewalk_client_deadlines_passed_total{client="to bank"} 1.0' in after


def test_retries_are_counted_and_spend_their_budget() -> None:
    async def story() -> dict[str, float]:
        client = Client([Broken(), Broken()], draw=lambda: 0.0)
        metrics = ResilienceMetrics()
        metrics.watch_client("to bank", client)
        with pytest.raises(OutcomeUnknown):
            await client.call("look", nature=Nature.READ)
        return {line.split("{")[0]: float(line.split()[-1]) for line in shown(metrics) if "ropewalk_client" in line}

    numbers = asyncio.run(story())
    assert numbers["ropewalk_client_retries_total"] == ATTEMPTS_MAX - 1
    assert numbers["ropewalk_client_retry_tokens"] < RETRY_TOKENS_MAX


class Timed:
    """A target that takes so long, in virtual time."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.takes_s = 0.01

    async def send(self, request: str, *, deadline: Deadline) -> str:
        answered = asyncio.Event()
        asyncio.get_running_loop().call_later(self.takes_s, answered.set)
        await answered.wait()
        return f"{request} by {deadline.at_s}"


def test_second_reads_are_counted_and_spend_their_budget_and_a_slow_target_is_seen_to_be() -> None:
    async def story() -> tuple[list[str], list[str]]:
        targets = [Timed("one"), Timed("two")]
        client = Client(targets, draw=Random(1).random)
        metrics = ResilienceMetrics()
        metrics.watch_client("to bank", client)
        for _ in range(HEDGE_LATENCIES_LEAST):
            await client.call("look", nature=Nature.STALE_READ)
        before = shown(metrics)
        for target in targets:
            target.takes_s = 1.0
        await client.call("look", nature=Nature.STALE_READ)
        return before, shown(metrics)

    def number(lines: list[str], series: str) -> float:
        return max(float(line.split()[-1]) for line in lines if line.startswith(series))

    before, after = run_virtual(story())
    assert number(before, "ropewalk_client_hedges_total") == 0
    assert number(after, "ropewalk_client_hedges_total") == 1
    assert number(after, "ropewalk_client_hedge_tokens") < number(before, "ropewalk_client_hedge_tokens")
    assert number(before, "ropewalk_target_latency_seconds") == pytest.approx(0.01)
    assert number(after, "ropewalk_target_latency_seconds") == pytest.approx(1.0, rel=0.05)


def test_what_has_left_the_process_leaves_the_metrics() -> None:
    metrics, of_partition = ResilienceMetrics(), calls()
    metrics.watch_calls("bank", 0, of_partition)
    assert shown(metrics)
    del of_partition
    gc.collect()
    assert shown(metrics) == []
