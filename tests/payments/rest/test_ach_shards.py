"""ACH over HTTP where institutions are kept in several shards: it looks as if there were one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from ropewalk.runtime.node import Node
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
        batches = [batch_of("PPD", odfi=bank, company="1", first_sequence=1) for bank in (HARBOR, MEADOW)]
        for batch in batches:
            batch.add(transaction_code=22, routing_number=HARBOR, account="1", amount_cents=1, individual_name="A")
        refused = await client.post("/files", content=file_of(*batches))
        (error,) = problem(refused)["errors"]
        assert error["code"] == "other_shard"

    ask(story)
