"""Traces: a span for each step of a request, given to OpenTelemetry after the fact.

A record serves many requests, so its append and its apply are timed once, and each request whose own span is
recorded gets both as children. Where no tracing is configured this costs one look at a flag.

Checked by: tests/runtime/test_traces.py
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import msgspec
from opentelemetry import propagate, trace
from opentelemetry.trace import ProxyTracerProvider, Span, SpanKind

TRACER: Final = trace.get_tracer("ropewalk")


class Step(msgspec.Struct, frozen=True, gc=False):
    """Something that took from one time to another (nanoseconds since 1970)."""

    name: str
    start_ns: int
    end_ns: int

    @property
    def took_s(self) -> float:
        """How long it took."""
        return (self.end_ns - self.start_ns) / 1e9


def is_tracing() -> bool:
    """True if someone receives spans: asked once, so that a request costs nothing where nobody does."""
    return not isinstance(trace.get_tracer_provider(), ProxyTracerProvider)


@contextmanager
def request_span(method: str, route: str, headers: Mapping[str, str]) -> Iterator[Span]:
    """The span of one request, below the caller's own if the headers name it (W3C `traceparent`)."""
    context = propagate.extract(headers)
    attributes = {"http.request.method": method, "http.route": route}
    with TRACER.start_as_current_span(
        f"{method} {route}", context, kind=SpanKind.SERVER, attributes=attributes
    ) as span:
        yield span


@contextmanager
def exported_traces(service: str) -> Iterator[None]:
    """Send spans by OTLP over HTTP while the block runs, if OpenTelemetry's own variables say where to.

    OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT turns it on; OTEL_SERVICE_NAME,
    OTEL_TRACES_SAMPLER and the rest mean what they mean everywhere.
    """
    if not any(os.environ.get(variable) for variable in _ENDPOINTS):
        yield
        return
    # Imported here: a process that sends nothing needs neither the SDK nor its HTTP client.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = os.environ.get("OTEL_SERVICE_NAME") or "service.name=" in os.environ.get("OTEL_RESOURCE_ATTRIBUTES", "")
    provider = TracerProvider(resource=Resource.create() if named else Resource.create({SERVICE_NAME: service}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()


_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


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
