"""The state of admission and of clients for Prometheus, read when it is asked for, so that it costs calls nothing.

What is watched is held weakly: it leaves the metrics when it leaves the process.

Checked by: tests/runtime/test_resilience_metrics.py
"""

from collections.abc import Iterator
from typing import Any, Final
from weakref import WeakValueDictionary

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ropewalk.communication.admission import Priority
from ropewalk.communication.admission import State as Pressure
from ropewalk.communication.balancing import Standing
from ropewalk.communication.breaker import State
from ropewalk.communication.client import Client
from ropewalk.observability.metrics import REGISTRY
from ropewalk.runtime.calls import Calls

_PARTITION: Final = ("service", "partition")
_CLASS: Final = (*_PARTITION, "priority")
_CLIENT: Final = ("client",)
_TARGET: Final = ("client", "target")


class ResilienceMetrics(Collector):
    """Collects from what it was told to watch."""

    def __init__(self) -> None:
        self._calls: WeakValueDictionary[tuple[str, str], Calls] = WeakValueDictionary()
        self._clients: WeakValueDictionary[str, Client[Any, Any]] = WeakValueDictionary()

    def watch_calls(self, service: str, partition: int, calls: Calls) -> None:
        """Show what a partition takes on."""
        self._calls[service, str(partition)] = calls

    def watch_client(self, name: str, client: Client[Any, Any]) -> None:
        """Show how a client sees its targets."""
        self._clients[name] = client

    def collect(self) -> Iterator[Metric]:
        """What is true now."""
        yield from self._collect_calls()
        yield from self._collect_clients()
        yield from self._collect_targets()

    def _collect_calls(self) -> Iterator[Metric]:
        admitted = GaugeMetricFamily(
            "ropewalk_admitted_requests_max", "Requests up to which calls of a class are taken on.", labels=_CLASS
        )
        refused = CounterMetricFamily(
            "ropewalk_admission_refused_calls", "Calls of a class that were not taken on.", labels=_CLASS
        )
        pressure = GaugeMetricFamily(
            "ropewalk_admission_state", "1 for what is known of the limit.", labels=(*_PARTITION, "state")
        )
        late = CounterMetricFamily(
            "ropewalk_deadlines_passed", "Calls that were told that their deadline has passed.", labels=_PARTITION
        )
        for partition, calls in self._calls.items():
            for priority in Priority:
                labels = (*partition, priority.name.lower())
                admitted.add_metric(labels, calls.admission.part_of(priority))
                refused.add_metric(labels, calls.admission.refused[priority])
            for state in Pressure:
                pressure.add_metric((*partition, state.value), calls.state is state)
            late.add_metric(partition, calls.deadlines_passed)
        yield from (admitted, refused, pressure, late)

    def _collect_clients(self) -> Iterator[Metric]:
        retries = CounterMetricFamily("ropewalk_client_retries", "Requests sent again.", labels=_CLIENT)
        hedges = CounterMetricFamily("ropewalk_client_hedges", "Stale reads sent to a second target.", labels=_CLIENT)
        late = CounterMetricFamily(
            "ropewalk_client_deadlines_passed", "Answers that did not come by the deadline.", labels=_CLIENT
        )
        retry_tokens = GaugeMetricFamily(
            "ropewalk_client_retry_tokens", "Retries that the budget still allows.", labels=_CLIENT
        )
        hedge_tokens = GaugeMetricFamily(
            "ropewalk_client_hedge_tokens", "Second reads that the budget still allows.", labels=_CLIENT
        )
        for name, client in self._clients.items():
            state = client.state()
            retries.add_metric((name,), state.retries)
            hedges.add_metric((name,), state.hedges)
            late.add_metric((name,), state.deadlines_passed)
            retry_tokens.add_metric((name,), state.retry_tokens)
            hedge_tokens.add_metric((name,), state.hedge_tokens)
        yield from (retries, hedges, late, retry_tokens, hedge_tokens)

    def _collect_targets(self) -> Iterator[Metric]:
        breaker = GaugeMetricFamily(
            "ropewalk_target_breaker", "1 for the state that a target's breaker is in.", labels=(*_TARGET, "state")
        )
        standing = GaugeMetricFamily(
            "ropewalk_target_standing", "1 for how a target stands with the balancer.", labels=(*_TARGET, "standing")
        )
        running = GaugeMetricFamily("ropewalk_target_running_calls", "Calls under way to a target.", labels=_TARGET)
        waiting = GaugeMetricFamily("ropewalk_target_waiting_calls", "Calls that wait for a place.", labels=_TARGET)
        latency = GaugeMetricFamily(
            "ropewalk_target_latency_seconds", "What a target took lately, at its slowest.", labels=_TARGET
        )
        for name, client in self._clients.items():
            for target in client.state().targets:
                labels = (name, target.name)
                for state in State:
                    breaker.add_metric((*labels, state.value), target.breaker is state)
                for each in Standing:
                    standing.add_metric((*labels, each.value), target.standing is each)
                running.add_metric(labels, target.running)
                waiting.add_metric(labels, target.waiting)
                latency.add_metric(labels, target.latency_s)
        yield from (breaker, standing, running, waiting, latency)


RESILIENCE: Final = ResilienceMetrics()
"""Those of this process."""

REGISTRY.register(RESILIENCE)
