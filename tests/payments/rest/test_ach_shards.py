"""ACH over HTTP where institutions are kept in several shards: it looks as if there were one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import httpx
import pytest

from ropewalk.core.mailbox import Delivery
from ropewalk.errors import NotAccepted
from ropewalk.runtime.node import Node
from ropewalk.systems.payments.machine import PaymentsMachine
from ropewalk.systems.payments.processing.limits import PART_BYTES_MAX, UPLOADS_MAX
from ropewalk.systems.payments.service import payments_with
from tests.payments.processing.town import CAPSTAN, HARBOR, MEADOW, batch_of, file_of
from tests.runtime.served import client_of, problem

SHARDS = 4
"""In which each of the banks is in a shard of its own."""
BANKS = (HARBOR, MEADOW, CAPSTAN)
Story = Callable[[httpx.AsyncClient, Node], Awaitable[None]]


def ask(story: Story) -> None:
    async def main() -> None:
        async with client_of(payments_with(shards=SHARDS)) as (client, node):
            assert len({node.service.partition_of(bank) for bank in BANKS}) == 3
            for bank in BANKS:
                await told(client, "/institutions", {"routing": bank, "name": bank})
                await told(client, "/accounts", [{"routing": bank, "number": number} for number in ("1", "2")])
                company = {"routing": bank, "company_id": "1", "name": "ROPE", "account_number": "1"}
                await told(client, "/originators", company)
            cash = {each["routing"]: each["ledger_id"] for each in await items(client, "/institutions")}
            funds = [
                {
                    "id": str(number), "debit_account_id": cash[bank], "amount": "10000", "ledger": 840, "code": 1,
                    "credit_account_id": (await shown(client, bank, "1"))["ledger_id"],
                }
                for number, bank in enumerate(BANKS, start=1)
            ]  # fmt: skip
            done = await client.post("/ledger/transfers", json=funds)
            assert [each["status"] for each in done.json()["results"]] == ["created"] * 3
            await story(client, node)

    asyncio.run(main())


async def told(client: httpx.AsyncClient, path: str, body: object) -> Any:
    done = await client.post(path, json=body)
    assert done.status_code == 200, done.text
    return done.json()


async def got(client: httpx.AsyncClient, path: str, **params: str) -> Any:
    done = await client.get(path, params=params)
    assert done.status_code == 200, done.text
    return done.json()


async def items(client: httpx.AsyncClient, path: str, **params: str) -> list[Any]:
    """All pages of a list, two rows a page."""
    rows: list[Any] = []
    after: dict[str, str] = {}
    while True:
        page = await got(client, path, limit="2", **params, **after)
        rows += page["items"]
        if page["next"] is None:
            return rows
        after = {"after": page["next"]}


async def shown(client: httpx.AsyncClient, bank: str, number: str) -> Any:
    return await got(client, f"/institutions/{bank}/accounts/{number}")


def payroll(bank: str, *, to: list[tuple[str, str, int]]) -> bytes:
    batch = batch_of("PPD", odfi=bank, company="1")
    for receiver, account, cents in to:
        batch.add(
            transaction_code=22, routing_number=receiver, account=account, amount_cents=cents, individual_name="A"
        )
    return file_of(batch, origin=bank)


async def submit(client: httpx.AsyncClient, content: bytes) -> int:
    done = await client.post("/files", content=content)
    assert done.status_code == 200, done.text
    return int(done.json()["file"])


async def closed_window(client: httpx.AsyncClient, node: Node, number: int) -> Any:
    """The window, once it has closed in all shards: each event is a chance."""
    async with asyncio.timeout(20):
        while not (window := await got(client, f"/windows/{number}"))["closed_ns"]:
            assert window["positions"] == [], "net positions are published when all have closed"
            leader = node.leaders[0]
            await leader.wait_events(leader.partition.feed.last, deadline_s=0.02)
    return window


def of_two(*, entries: int = 1, company: str = "1", modifier: str = "A") -> bytes:
    """A file with a batch of each of two banks, which pay each other."""
    batches = []
    for bank, receiver, by in ((HARBOR, MEADOW, "1"), (MEADOW, HARBOR, company)):
        batch = batch_of("PPD", odfi=bank, company=by)
        for _ in range(entries):
            batch.add(transaction_code=22, routing_number=receiver, account="2", amount_cents=1, individual_name="A")
        batches.append(batch)
    return file_of(*batches, origin=HARBOR, modifier=modifier)


async def away(_: Delivery) -> int:
    """How a shard takes mail in that is away."""
    raise NotAccepted("away", retry_after_s=0.01)


def test_a_file_of_two_banks_is_one_file_to_who_sends_it_and_kept_by_both() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        content, headers = of_two(entries=6_000), {"Idempotency-Key": "both"}
        assert len(content) > PART_BYTES_MAX
        one, other = await asyncio.gather(*(client.post("/files", content=content) for _ in range(2)))
        first = one.json()
        assert {first["repeated"], other.json()["repeated"]} == {False, True}
        assert first | {"repeated": True} == other.json() | {"repeated": True}
        assert (first["batches"], first["entries"], first["credit_cents"]) == (2, 12_000, 12_000)
        for _ in range(2):
            again = await client.post("/files", content=content, headers=headers)
            assert again.json() == first | {"repeated": True}
        (part,) = first["parts"]
        assert {first["file"] % SHARDS, part % SHARDS} == {
            node.service.partition_of(bank) for bank in (HARBOR, MEADOW)
        }
        assert (await got(client, "/reports/progress"))["files"] == 1
        home, there = await got(client, f"/files/{first['file']}"), await got(client, f"/files/{part}")
        assert (home["parts"], there["parts"]) == ([part], [first["file"]])
        assert (home["entries"], there["entries"]) == (6_000, 6_000)
        window = await closed_window(client, node, (await told(client, "/windows", {}))["window"])
        assert window["posted"] == 12_000

    ask(story)


def test_what_is_unknown_in_another_shard_is_told_and_nothing_is_taken() -> None:
    async def story(client: httpx.AsyncClient, _: Node) -> None:
        for _ in range(2):
            refused = await client.post("/files", content=of_two(company="2"), headers={"Idempotency-Key": "bad"})
            said = problem(refused)
            assert (said["status"], said["type"]) == (422, "urn:ropewalk:problem:file_unknown_party")
            assert [(error["line"], error["code"]) for error in said["errors"]] == [(5, "unknown_originator")]
        assert await items(client, "/files") == []

    ask(story)


def test_a_refusal_that_others_have_pushed_out_is_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ropewalk.systems.payments.processing.divided.REFUSALS_KEPT", 1)

    async def story(client: httpx.AsyncClient, _: Node) -> None:
        async def send(modifier: str) -> tuple[str, int]:
            content = of_two(company="2", modifier=modifier)
            said = problem(await client.post("/files", content=content, headers={"Idempotency-Key": modifier}))
            return said["type"].rpartition(":")[2], said["errors_total"]

        assert [await send(modifier) for modifier in "ABAB"] == [("file_unknown_party", 1)] * 4

    ask(story)


def test_who_waits_for_a_shard_that_is_away_is_told_to_ask_again() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(node.leaders[node.service.partition_of(MEADOW)], "deliver", away)
            unknown = await client.post("/files", content=of_two(), headers={"Ropewalk-Deadline": "0.1"})
            assert unknown.status_code == 504, unknown.text
            assert "have not all answered" in problem(unknown)["detail"]
        assert (await client.post("/files", content=of_two())).json()["entries"] == 2

    ask(story)


def test_a_shard_that_is_away_stops_no_file_of_others_and_what_is_one_too_many_may_come_again() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        home = cast(PaymentsMachine, node.leaders[node.service.partition_of(HARBOR)].partition.machine)
        one_more, headers = of_two(modifier="Z"), {"Idempotency-Key": "one more"}
        async with asyncio.TaskGroup() as tasks:
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(node.leaders[node.service.partition_of(MEADOW)], "deliver", away)
                files = [of_two(modifier=modifier) for modifier in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[:UPLOADS_MAX]]
                waiting = [tasks.create_task(client.post("/files", content=file)) for file in files]
                while len(home.processing.state.divided.asked) < UPLOADS_MAX:
                    await asyncio.sleep(0)
                assert await submit(client, payroll(CAPSTAN, to=[(HARBOR, "2", 1)])) >= 0
                refused = await client.post("/files", content=one_more, headers=headers)
                assert problem(refused)["type"].endswith(":undecided")
                assert refused.status_code == 503
        assert {task.result().status_code for task in waiting} == {200}
        assert (await client.post("/files", content=one_more, headers=headers)).status_code == 200

    ask(story)


def test_who_can_not_be_told_what_became_of_a_file_is_not_told_that_nothing_did() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        async def deposed(*_: object, **__: object) -> None:
            raise NotAccepted("another process leads")

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(node.leaders[node.service.partition_of(HARBOR)], "read", deposed)
            assert (await client.post("/files", content=of_two())).status_code == 504

    ask(story)


@pytest.mark.parametrize(
    "form",
    [
        lambda lines: b"\r\n".join(lines),
        lambda lines: b"".join(lines),
        lambda lines: b"\n".join(line.rstrip(b" ") for line in lines),
        lambda lines: b"\n".join(line + b" " * 200 for line in lines),
    ],
    ids=["CRLF", "one stream", "no trailing blanks", "more blanks"],
)
def test_a_file_comes_to_its_shard_however_its_lines_end(form: Callable[[list[bytes]], bytes]) -> None:
    async def story(client: httpx.AsyncClient, _: Node) -> None:
        lines = of_two().splitlines()
        assert lines[0].endswith(b" ")
        done = await client.post("/files", content=form(lines))
        assert done.status_code == 200, done.text

    ask(story)


def test_a_name_that_is_taken_in_another_shard_is_a_conflict_as_one_here_is() -> None:
    async def story(client: httpx.AsyncClient, _: Node) -> None:
        content = of_two()
        taken = payroll(MEADOW, to=[(HARBOR, "2", 1)])
        assert (await client.post("/files", content=content[:94] + taken[94:])).status_code == 200
        refused = await client.post("/files", content=content)
        assert (refused.status_code, problem(refused)["type"].rpartition(":")[2]) == (409, "file_other_bytes")

    ask(story)


def test_files_settle_across_shards_and_net_positions_sum_to_zero() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        to = [(MEADOW, "1", 1_000), (CAPSTAN, "2", 500), (HARBOR, "2", 300), (CAPSTAN, "9", 200)]
        files = [await submit(client, payroll(HARBOR, to=to)), await submit(client, payroll(MEADOW, to=to[2:3]))]
        assert len({file % SHARDS for file in files}) == 2, "each file is kept where it was originated"
        assert (await shown(client, HARBOR, "1"))["available_cents"] == 10_000 - 2_000
        started = await told(client, "/windows", {})
        window = await closed_window(client, node, started["window"])
        net = {each["routing"]: each["net_cents"] for each in window["positions"]}
        assert net == {HARBOR: 1_500 - 300, MEADOW: 300 - 1_000, CAPSTAN: -500}
        assert (window["posted"], window["returned"]) == (4, 1)
        assert [window["window"] for window in await items(client, "/windows")] == [0]
        states = [each["state"] for each in await items(client, f"/files/{files[0]}/entries")]
        assert states == ["posted", "posted", "posted", "returned"]
        assert (await shown(client, CAPSTAN, "2"))["balance_cents"] == 500
        (file,) = await got(client, "/windows/0/returns")
        assert file["routing"] == HARBOR
        content = await client.get(f"/windows/0/returns/{HARBOR}/0")
        assert b"R03" in content.content
        refused = await client.post("/windows", json={})
        assert problem(refused)["type"].endswith("nothing_due")

    ask(story)


def test_who_asks_again_while_a_window_closes_is_told_of_it_unless_it_leaves_out_what_came_since() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        await submit(client, payroll(HARBOR, to=[(MEADOW, "2", 10)]))
        with pytest.MonkeyPatch.context() as patched:
            # The window stays open: an entry of it waits for its receiver's shard.
            patched.setattr(node.leaders[node.service.partition_of(MEADOW)], "deliver", away)
            headers = {"Idempotency-Key": "nightly"}
            for _ in range(2):
                assert (await client.post("/windows", headers=headers)).json()["window"] == 0
            assert (await told(client, "/windows", {}))["window"] == 0
            there = cast(PaymentsMachine, node.leaders[node.service.partition_of(CAPSTAN)].partition.machine)
            async with asyncio.timeout(20):
                while there.processing.state.windows.current is None:
                    await asyncio.sleep(0)
            late = await submit(client, payroll(CAPSTAN, to=[(HARBOR, "2", 20)]))
            assert [(await told(client, "/windows", {}))["window"] for _ in range(2)] == [1, 1]
            assert (await got(client, "/reports/progress"))["next_window"] == 1
        async with asyncio.timeout(20):
            while len(await items(client, "/windows")) < 2:
                await asyncio.sleep(0)
        windows = [await closed_window(client, node, number) for number in (0, 1)]
        assert [window["posted"] for window in windows] == [1, 1]
        assert [each["state"] for each in await items(client, f"/files/{late}/entries")] == ["posted"]

    ask(story)


def test_statements_and_lists_are_of_all_shards() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        file = await submit(client, payroll(HARBOR, to=[(MEADOW, "2", 1_000)]))
        await closed_window(client, node, (await told(client, "/windows", {}))["window"])
        (line,) = (await got(client, f"/institutions/{MEADOW}/accounts/2/statement"))["items"]
        assert (line["amount_cents"], line["what"], line["file"], line["row"]) == (1_000, "receiver_leg", file, 0)
        assert sorted(each["routing"] for each in await items(client, "/institutions")) == sorted(BANKS)
        numbers = [each["number"] for each in await items(client, "/accounts")]
        assert numbers == sorted(numbers)
        assert len(set(numbers)) == 6
        assert len(await items(client, "/originators")) == 3
        assert [each["file"] for each in await items(client, "/files")] == [file]
        progress = await got(client, "/reports/progress")
        assert (progress["files"], progress["entries_pending"], progress["windows"]) == (1, 0, 1)

    ask(story)


def test_a_trial_balance_is_of_all_shards_and_balances() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        payer, payee = (
            (await shown(client, HARBOR, "1"))["ledger_id"],
            (await shown(client, MEADOW, "2"))["ledger_id"],
        )
        row = {
            "id": "77", "debit_account_id": payer, "credit_account_id": payee, "amount": "700",
            "ledger": 840, "code": 1,
        }  # fmt: skip
        assert (await told(client, "/ledger/transfers", [row]))["results"][0]["status"] == "created"
        balance = await got(client, "/reports/trial-balance")
        lines = {line["what"]: line for line in balance["lines"]}
        assert balance["debit_cents"] == balance["credit_cents"]
        assert (
            lines["deposit"]["credit_cents"] - lines["deposit"]["debit_cents"] + lines["on its way"]["credit_cents"]
            == 30_000
        )
        assert (await shown(client, MEADOW, "2"))["balance_cents"] == 700

    ask(story)


def test_what_is_of_several_shards_and_can_not_be_is_refused() -> None:
    async def story(client: httpx.AsyncClient, node: Node) -> None:
        both = [{"routing": bank, "number": "5"} for bank in (HARBOR, MEADOW)]
        refused = await client.post("/accounts", json=both)
        assert "send one shard's at a time" in problem(refused)["detail"]
        assert (await client.get("/files/12")).status_code == 404

    ask(story)
