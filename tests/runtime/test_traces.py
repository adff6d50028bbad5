"""Traces: from the request through append to apply, and on to whoever collects them."""

import asyncio

from opentelemetry.sdk.trace import ReadableSpan

from tests.runtime.served import client_of, counters
from tests.spans import collected


def spans_of(*, headers: dict[str, str]) -> dict[str, ReadableSpan]:
    async def main() -> None:
        async with client_of(counters()) as (client, _):
            await client.post("/commands/Add", json={"counter": "a", "amount": 1}, headers=headers)

    collected().clear()
    asyncio.run(main())
    return {span.name: span for span in collected().get_finished_spans()}


def test_append_and_apply_are_children_of_the_request_which_is_a_child_of_the_caller() -> None:
    caller = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    spans = spans_of(headers={"traceparent": caller})
    request = spans["POST /commands/Add"]
    assert format(request.context.trace_id, "032x") == "0af7651916cd43dd8448eb211c80319c"
    assert request.parent is not None
    assert format(request.parent.span_id, "016x") == "b7ad6b7169203331"
    assert request.attributes is not None
    assert dict(request.attributes) == {
        "http.request.method": "POST",
        "http.route": "/commands/Add",
        "http.response.status_code": 200,
    }
    for name in ("append", "apply"):
        parent = spans[name].parent
        assert parent is not None
        assert parent.span_id == request.context.span_id
        assert dict(spans[name].attributes or {}) == {"ropewalk.position": 2}
    assert (spans["append"].end_time or 0) <= (spans["apply"].start_time or 0)


def test_without_a_caller_the_request_is_the_root() -> None:
    assert spans_of(headers={})["POST /commands/Add"].parent is None


def test_a_caller_who_is_not_sampled_is_not_traced() -> None:
    assert spans_of(headers={"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"}) == {}
