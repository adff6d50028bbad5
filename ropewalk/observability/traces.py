"""Traces: a span for each step of a request, given to OpenTelemetry after the fact.

A record serves many requests, so its append and its apply are timed once, and each request whose own span is
recorded gets both as children. Where no tracing is configured this costs one look at a flag.

Checked by: tests/runtime/test_traces.py
"""

from collections.abc import Iterable
from typing import Final

import msgspec
from opentelemetry import trace
from opentelemetry.trace import Span

TRACER: Final = trace.get_tracer("ropewalk")


class Step(msgspec.Struct, frozen=True, gc=False):
    """Something that took from one time to another (nanoseconds since 1970)."""

    name: str
    start_ns: int
    end_ns: int


def record_steps(parents: Iterable[Span], steps: Iterable[Step], *, position: int) -> None:
    """Add the steps as children to every parent that is being recorded."""
    recorded = [parent for parent in parents if parent.is_recording()]
    if not recorded:
        return
    steps = list(steps)
    for parent in recorded:
        context = trace.set_span_in_context(parent)
        for step in steps:
            attributes = {"ropewalk.position": position}
            span = TRACER.start_span(step.name, context, start_time=step.start_ns, attributes=attributes)
            span.end(step.end_ns)
