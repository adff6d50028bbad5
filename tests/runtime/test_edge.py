"""What a service answers over HTTP, asked through a real port."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

import httpx
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from ropewalk import Applied, Entry
from ropewalk.core.limits import BATCH_BYTES_MAX, COMMAND_BYTES_MAX
from ropewalk.errors import OutcomeUnknown, Rejected
from ropewalk.runtime.calls import Bounds
from ropewalk.runtime.node import Node
from ropewalk.runtime.operations import Operation
from ropewalk.runtime.requests import json_response
from ropewalk.runtime.service import Service
from tests.runtime.served import client_of, counters, problem, with_operations

Story = Callable[[httpx.AsyncClient], Awaitable[None]]


def ask(story: Story, service: Service | None = None, *, bounds: Bounds | None = None) -> None:
    async def main() -> None:
        async with client_of(service or counters(), bounds=bounds) as (client, _):
            await story(client)

    asyncio.run(main())


def test_a_command_is_applied_and_its_token_makes_a_read_see_it() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        done = await client.post("/commands/Add", json={"counter": "a/b c", "amount": 2})
        assert done.json() == {"reply": 2, "token": "counters/0:2"}
        token = done.headers["Ropewalk-Token"]
        assert token == "counters/0:2"
        read = await client.get("/state/a/b c", headers={"Ropewalk-Token": token})
        assert read.json() == {"value": 2, "token": token}
        assert read.headers["Ropewalk-Token"] == token

    ask(story)


def test_a_read_says_what_it_needs_to_see() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        await client.post("/commands/Add", json={"counter": "a", "amount": 2})
        for query in ("", "?level=strong", "?level=stale&max_age_s=5", "?level=stale"):
            assert (await client.get(f"/state/a{query}")).json()["value"] == 2
            assert (await client.get(f"/state/never{query}")).json()["value"] is None

    ask(story)


def test_many_commands_go_to_their_partitions_and_are_answered_in_order() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        many = [{"type": "Add", "counter": f"k{number % 10}", "amount": number} for number in range(20)]
        done = await client.post("/commands", json=many, headers={"Idempotency-Key": "once"})
        assert done.json()["replies"] == [*range(10), *(2 * number + 10 for number in range(10))]
        assert len(done.json()["token"].split(",")) > 1
        again = await client.post("/commands", json=many, headers={"Idempotency-Key": "once"})
        assert again.json()["replies"] == done.json()["replies"]
        many[3]["amount"] = 99
        assert (await client.post("/commands", json=many, headers={"Idempotency-Key": "once"})).status_code == 422

    ask(story, counters(partitions=4))


def test_one_command_that_can_not_be_encoded_is_refused_with_all_others() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        many = [{"type": "Add", "counter": f"k{number}", "amount": 1} for number in range(10)]
        many[9]["amount"] = 2**64
        refused = await client.post("/commands", json=many)
        assert refused.status_code == 422
        assert "does not fit 64 bits" in problem(refused)["detail"]
        for number in range(10):
            assert (await client.get(f"/state/k{number}")).json()["value"] is None

    ask(story, counters(partitions=4))


def test_a_priority_is_one_of_three() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        for priority in ("critical", "interactive", "bulk"):
            headers = {"Ropewalk-Priority": priority}
            done = await client.post("/commands/Add", json={"counter": "a", "amount": 1}, headers=headers)
            assert done.status_code == 200
        headers = {"Ropewalk-Priority": "urgent"}
        refused = await client.post("/commands/Add", json={"counter": "a", "amount": 1}, headers=headers)
        assert refused.status_code == 400
        assert "choose critical, interactive, bulk" in problem(refused)["detail"]

    ask(story)


def test_if_one_partition_of_several_stops_the_answer_says_that_some_of_it_happened() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        many = [{"type": "Add", "counter": f"k{number}", "amount": 1} for number in range(10)]
        stopped = await client.post("/commands", json=[*many, {"type": "Break", "counter": "k0"}])
        assert stopped.status_code == 504
        assert "some of it happened" in problem(stopped)["detail"]
        refused = await client.post("/commands/Add", json={"counter": "k0", "amount": 1})
        assert refused.status_code == 503

    ask(story, counters(partitions=4))


def test_a_query_of_the_service_is_answered() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        for amount, counter in enumerate("abc"):
            await client.post("/commands/Add", json={"counter": counter, "amount": amount})
        answered = await client.post("/queries/Top", json={"count": 2})
        assert answered.json() == {"answer": ["c", "b"], "token": "counters/0:4"}

    ask(story)


def test_a_request_that_names_nothing_is_a_problem() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        for method, path, status, name in (
            ("GET", "/nowhere", 404, "not_found"),
            ("POST", "/commands/Subtract", 404, "not_found"),
            ("PUT", "/commands/Add", 405, "method_not_allowed"),
            ("GET", "/state/a?level=latest", 400, "bad_request"),
            ("GET", "/state/a?level=stale&max_age_s=soon", 400, "bad_request"),
        ):
            refused = await client.request(method, path)
            assert refused.status_code == status
            assert problem(refused)["type"] == f"urn:ropewalk:problem:{name}"

    ask(story)


def test_a_body_that_is_no_command_is_a_problem() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        for body, status in (
            (b"{", 400),
            (b"\xff", 400),
            (b'{"counter": "\xff", "amount": 1}', 400),
            (b'{"more": ' + b"[" * 100_000, 422),
            (b"[]", 422),
            (b'{"counter": "a"}', 422),
            (b'{"counter": 1, "amount": 1}', 422),
        ):
            refused = await client.post("/commands/Add", content=body)
            assert refused.status_code == status
            assert problem(refused)["detail"].startswith("the body is not")
        for path, message in (("commands/Add", {"counter": "a", "amount": 2**64}), ("queries/Top", {"count": 2**64})):
            refused = await client.post(f"/{path}", json=message)
            assert refused.status_code == 422
            assert "does not fit 64 bits" in problem(refused)["detail"]

    ask(story)


def test_a_field_that_there_is_none_of_is_refused_by_name_and_not_dropped() -> None:
    add = {"counter": "a", "amount": 1}

    async def story(client: httpx.AsyncClient) -> None:
        for path, body in (
            ("commands/Add", {**add, "amuont": 5}),
            ("commands", [{"type": "Add", **add}, {"type": "Add", **add, "amuont": 5}]),
            ("queries/Top", {"count": 1, "amuont": 5}),
        ):
            refused = await client.post(f"/{path}", json=body)
            assert refused.status_code == 422
            assert "contains unknown field `amuont`" in problem(refused)["detail"]
        assert (await client.get("/state/a?level=strong")).json()["value"] is None
        assert (await client.post("/commands/Add", json={"type": "Add", **add})).json()["reply"] == 1

    ask(story)


class Note(msgspec.Struct, frozen=True, tag=True):
    text: object


def test_what_is_nested_too_deep_is_refused_before_it_is_written_however_deep_it_is() -> None:
    """Whoever applies it reads it from another depth of calls than whoever takes it on."""

    def apply(_: Mapping[str, object], entry: Entry[Note]) -> Applied[object]:
        return Applied("noted", {"note": entry.command.text})

    notes = Service.keyed("notes", commands=Note, value=object, reply=str, apply=apply)
    limit = sys.getrecursionlimit()

    async def story(client: httpx.AsyncClient) -> None:
        statuses = []
        for depth in range(limit - 300, limit):
            noted = await client.post("/commands/Note", content=b'{"text":' + b"[" * depth + b"]" * depth + b"}")
            statuses.append(noted.status_code)
        assert statuses == sorted(statuses, key=(200, 422, 400).index), "noted, then not"
        assert statuses[0] == 200
        assert (await client.get("/health")).status_code == 200

    ask(story, notes)


def test_a_page_of_another_site_changes_nothing() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        for site, status in (("cross-site", 403), ("same-origin", 200), ("none", 200)):
            headers = {"Sec-Fetch-Site": site}
            done = await client.post("/commands/Add", json={"counter": site, "amount": 1}, headers=headers)
            assert done.status_code == status
            assert (await client.get(f"/state/{site}", headers=headers)).status_code == 200
        assert (await client.get("/state/cross-site")).json()["value"] is None

    ask(story)


def test_a_header_that_can_not_be_read_is_a_problem() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        for name, value in (
            ("Ropewalk-Deadline", "soon"),
            ("Ropewalk-Deadline", "-1"),
            ("Ropewalk-Deadline", "nan"),
            ("Ropewalk-Token", "yesterday"),
        ):
            refused = await client.get("/state/a", headers={name: value})
            assert refused.status_code == 400
            assert value in problem(refused)["detail"]

    ask(story)


def test_a_token_of_the_future_is_not_reached_within_the_deadline() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        headers = {"Ropewalk-Token": "counters/0:99", "Ropewalk-Deadline": "0.05"}
        refused = await client.get("/state/a", headers=headers)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        assert problem(refused)["retry_after_s"] > 0

    ask(story)


def test_a_body_past_the_limit_is_refused_whether_it_is_announced_or_not() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(BATCH_BYTES_MAX // 65_536 + 2):
            yield bytes(65_536)

    async def story(client: httpx.AsyncClient) -> None:
        announced = await client.post("/commands/Add", content=bytes(COMMAND_BYTES_MAX + 1))
        assert announced.status_code == 413
        assert str(COMMAND_BYTES_MAX) in problem(announced)["detail"]
        chunked = await client.post("/commands", content=pieces())
        assert chunked.status_code == 413

    ask(story)


def test_more_than_the_queue_holds_is_not_accepted_and_told_when_to_come_back() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        one = {"counter": "a", "amount": 1}
        answers = await asyncio.gather(*(client.post("/commands/Add", json=one) for _ in range(50)))
        refused = [each for each in answers if each.status_code == 503]
        assert refused
        assert all(
            problem(each)["type"].endswith(":not_accepted") and each.headers["Retry-After"] for each in refused
        )
        served = len(answers) - len(refused)
        assert (await client.get("/state/a")).json()["value"] == served

    ask(story, bounds=Bounds(batch_requests_max=1, queue_requests_max=2))


def test_health_and_metrics_tell_of_a_partition_that_stopped() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        well = await client.get("/health")
        assert well.status_code == 200
        assert well.json()["partitions"][0]["leads"] is True
        broken = await client.post("/commands/Break", json={"counter": "a"})
        assert broken.status_code == 504
        assert "Idempotency-Key" in problem(broken)["detail"]
        ill = await client.get("/health")
        assert ill.status_code == 503
        assert "a bug in the service" in ill.json()["partitions"][0]["stopped_because"]
        metrics = await client.get("/metrics")
        assert 'ropewalk_leads{partition="0",service="counters"} 0.0' in metrics.text

    ask(story)


def test_the_document_describes_every_operation_and_refers_to_types_that_it_holds() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        document = (await client.get("/openapi.json")).json()
        assert set(document["paths"]) >= {"/commands/Add", "/commands", "/state/{key}", "/queries/Top", "/health"}
        add = document["paths"]["/commands/Add"]["post"]
        assert add["summary"] == "Add to a counter."
        assert {each["name"] for each in add["parameters"]} == {
            "Idempotency-Key",
            "Ropewalk-Deadline",
            "Ropewalk-Priority",
        }
        for reference in references(document):
            assert reference.removeprefix("#/components/schemas/") in document["components"]["schemas"]
        assert "null" not in [node.get("type") for node in nodes(document)]

    ask(story)


def references(document: object) -> list[str]:
    return [str(node["$ref"]) for node in nodes(document) if "$ref" in node]


def nodes(document: object) -> "list[dict[str, object]]":
    if isinstance(document, list):
        return [node for each in document for node in nodes(each)]
    if isinstance(document, dict):
        return [document, *(node for each in document.values() for node in nodes(each))]
    return []


def test_the_documentation_needs_nothing_from_elsewhere() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert "docs" in (await client.get("/")).text
        page = await client.get("/docs")
        assert "http" not in page.text.replace("<!doctype html>", "")
        for file in ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"):
            assert f"docs/{file}" in page.text
            assert (await client.get(f"/docs/{file}")).status_code == 200

    ask(story)


async def greet(node: Node, request: Request) -> Response:
    match request.path_params["name"]:
        case "nobody":
            raise Rejected("nobody can't be greeted")
        case "perhaps":
            raise OutcomeUnknown("the answer was lost")
        case "mistaken":
            raise LookupError("a bug in the handler")
        case name:
            return json_response({"greeted": name, "by": node.service.name})


GREET = Operation(method="GET", path="/greetings/{name}", summary="Greet", handler=greet)


def test_a_service_has_operations_of_its_own_beside_those_of_every_service() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.get("/greetings/ann")).json() == {"greeted": "ann", "by": "counters"}
        assert (await client.get("/greetings/nobody")).status_code == 422
        for name in ("perhaps", "mistaken"):
            assert problem(await client.get(f"/greetings/{name}"))["status"] == 504
        assert "/greetings/{name}" in (await client.get("/openapi.json")).json()["paths"]
        assert (await client.post("/commands/Add", json={"counter": "a", "amount": 1})).status_code == 200

    ask(story, with_operations(counters(), GREET))


def test_a_service_without_types_has_its_own_operations_only() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert (await client.get("/greetings/ann")).status_code == 200
        assert (await client.post("/commands", json=[])).status_code == 404
        assert (await client.get("/health")).status_code == 200

    ask(story, msgspec.structs.replace(with_operations(counters(), GREET), types=None))
