"""The state of admission and of clients, as Prometheus gets it."""

import asyncio
import gc
from random import Random

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from ropewalk.communication.admission import Admission, Priority
from ropewalk.communication.client import Client
from ropewalk.communication.deadlines import Deadline
from ropewalk.communication.limits import BREAKER_CALLS_LEAST
from ropewalk.communication.retries import Nature
from ropewalk.errors import OutcomeUnknown
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


def test_a_partition_shows_what_it_takes_on_and_what_it_refused() -> None:
    metrics, admission = ResilienceMetrics(), Admission(ceiling=1_000)
    metrics.watch_admission("bank", 3, admission)
    assert not admission.admits(Priority.BULK, requests=700, calls=100, now_s=0.0)
    labels = 'partition="3",priority="bulk",service="bank"'
    assert f"ropewalk_admitted_requests_max{{{labels}}} 600.0" in shown(metrics)
    assert f"ropewalk_admission_refused_calls_total{{{labels}}} 1.0" in shown(metrics)
    assert len(shown(metrics)) == 2 * len(Priority)


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
    target = 'client="to bank"'
    assert f'ropewalk_target_breaker{{{target},state="open",target="broken"}} 1.0' in lines
    assert f'ropewalk_target_breaker{{{target},state="closed",target="broken"}} 0.0' in lines
    assert f'ropewalk_target_running_calls{{{target},target="broken"}} 0.0' in lines
    assert f"ropewalk_client_retries_total{{{target}}} 0.0" in lines


def test_what_has_left_the_process_leaves_the_metrics() -> None:
    metrics, admission = ResilienceMetrics(), Admission(ceiling=1_000)
    metrics.watch_admission("bank", 0, admission)
    assert shown(metrics)
    del admission
    gc.collect()
    assert shown(metrics) == []
