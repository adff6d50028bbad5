"""Instant payments through their REST interface: ISO 20022 in and out, decisions by people, and what is refused."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import msgspec

from ropewalk.core.machine import NO_ID, Request
from ropewalk.runtime.node import Node
from ropewalk.runtime.service import Service
from ropewalk.systems.payments.ach import samples as ach
from ropewalk.systems.payments.iso20022 import samples
from ropewalk.systems.payments.iso20022.layouts import NAMESPACE
from ropewalk.systems.payments.iso20022.limits import MESSAGE_BYTES_MAX
from ropewalk.systems.payments.iso20022.model import (
    Envelope,
    Header,
    PaymentReturn,
    Resolution,
    StatusReport,
    StatusRequest,
)
from ropewalk.systems.payments.iso20022.reading import read
from ropewalk.systems.payments.iso20022.schemas import NEEDED, schemas_in
from ropewalk.systems.payments.iso20022.writing import write
from ropewalk.systems.payments.processing.messages import (
    NewAccount,
    OpenAccounts,
    OpenInstitution,
    encode_command,
)
from ropewalk.systems.payments.service import payments, payments_with
from tests.payments.iso20022.test_schemas import LENIENT, put
from tests.payments.rest.town import open_everything
from tests.runtime.served import client_of, problem
from tests.runtime.webhooks.receiver import receiving

Story = Callable[[httpx.AsyncClient], Awaitable[None]]
XML = {"accept": "application/xml"}
PAYMENT = f"/instant/payments/{samples.UETR}"
BARBARA = "/institutions/992000231/accounts/20000001"


def ask(story: Story, *, service: Service = payments) -> None:
    async def main() -> None:
        async with client_of(service) as (client, _):
            await open_everything(client)
            await story(client)

    asyncio.run(main())


async def sent(client: httpx.AsyncClient, content: bytes) -> Envelope:
    answer = await client.post("/instant/messages", content=content, headers={"content-type": "application/xml"})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/xml"
    return read(answer.content)


def status(envelope: Envelope) -> tuple[str, list[str]]:
    message = envelope.message
    assert isinstance(message, (StatusReport, Resolution))
    return message.status, [reason.code for reason in message.reasons]


def header(envelope: Envelope) -> Header:
    assert envelope.header is not None
    return envelope.header


async def policy(client: httpx.AsyncClient, **changes: str) -> httpx.Response:
    return await client.put(f"{BARBARA}/instant-policy", json={"who": "OPS", **changes})


def test_what_became_of_a_payment_is_told_to_who_added_a_webhook() -> None:
    async def main() -> None:
        async with receiving() as receiver, client_of(payments) as (client, _):
            await open_everything(client)
            assert (await client.post("/webhooks", json={"url": receiver.url})).status_code == 200
            answer = await sent(client, samples.credit_transfer())
            await receiver.wait_for(1)
            event = receiver.got[0].event
            assert (event["source"], event["type"], event["subject"]) == (
                "/payments/0",
                "instant.payment",
                samples.UETR,
            )
            assert msgspec.convert(event["data"], StatusReport) == answer.message

    asyncio.run(main())


def test_a_payment_is_answered_with_a_message_from_whom_it_was_sent_to() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        asked = read(samples.credit_transfer())
        answer = await sent(client, samples.credit_transfer())
        assert status(answer) == ("ACCC", [])
        assert (header(answer).sender, header(answer).receiver) == (header(asked).receiver, header(asked).sender)
        assert header(answer).definition == "pacs.002.001.10"
        assert await sent(client, samples.credit_transfer()) == answer
        assert await sent(client, samples.status_request()) == answer
        account = (await client.get(BARBARA)).json()
        assert account["balance_cents"] == 5_000_00 + 51_74

    ask(story)


def test_a_payment_to_nobody_is_rejected_in_xml_and_shown_in_json() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert status(await sent(client, samples.credit_transfer_to_nobody())) == ("RJCT", ["AC03"])
        shown = (await client.get(f"/instant/payments/{samples.UETR_TO_NOBODY}")).json()
        assert (shown["status"], shown["reason"], shown["amount_cents"]) == ("RJCT", "AC03", 51_74)
        assert [each["uetr"] for each in (await client.get("/instant/payments?status=RJCT")).json()] == [
            samples.UETR_TO_NOBODY
        ]
        assert (await client.get("/instant/payments?status=ACCC")).json() == []

    ask(story)


def test_a_return_and_a_recall_send_the_money_back_and_their_messages_can_be_had() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        await sent(client, samples.credit_transfer())
        assert status(await sent(client, samples.partial_return())) == ("ACSC", [])
        assert status(await sent(client, samples.recall())) == ("PDCR", [])
        decision = {"accept": True, "who": "GRACE OF CORDAGE", "why": "paid twice"}
        decided = await client.post(f"{PAYMENT}/recall/decision", json=decision)
        resolution = read(decided.content).message
        assert isinstance(resolution, Resolution)
        assert (resolution.confirmation, resolution.status) == ("IPAY", "ACCR")
        assert read((await client.get(f"{PAYMENT}/recall")).content).message == resolution
        back = read((await client.get(f"{PAYMENT}/returns/1")).content).message
        assert isinstance(back, PaymentReturn)
        assert (back.amount.minor, back.reasons[0].code) == (31_74, "FOCR")
        shown = (await client.get(PAYMENT)).json()
        assert (shown["returned_cents"], shown["recall"]["outcome"]) == (51_74, "accepted")
        assert [note["who"] for note in shown["history"]][3] == "GRACE OF CORDAGE"
        assert status(read((await client.get(PAYMENT, headers=XML)).content)) == ("ACCC", [])
        assert (await client.get(BARBARA)).json()["balance_cents"] == 5_000_00

    ask(story)


def test_a_payment_that_waits_is_decided_by_a_person() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert (await policy(client, arrivals="ask")).json() == {"reply": "PolicySet", "repeated": False}
        assert (await policy(client, arrivals="ask")).json()["repeated"]
        assert status(await sent(client, samples.credit_transfer())) == ("PDNG", [])
        shown = (await client.get(PAYMENT)).json()
        assert shown["due_ns"] - shown["taken_ns"] == 20_000_000_000
        decision = {"accept": False, "who": "GRACE", "reason": "BE04"}
        assert status(read((await client.post(f"{PAYMENT}/decision", json=decision)).content)) == ("RJCT", ["BE04"])
        again = problem(await client.post(f"{PAYMENT}/decision", json=decision))
        assert (again["status"], again["detail"]) == (409, "the payment is decided: it is RJCT")

    ask(story)


def test_a_message_with_faults_is_refused_with_each_of_them_and_nothing_happens() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        told = problem(await client.post("/instant/messages", content=samples.broken()))
        assert (told["status"], told["type"]) == (422, "urn:ropewalk:problem:message_refused")
        assert [fault["element"].rpartition("/")[2] for fault in told["faults"]] == ["UETR", "IntrBkSttlmAmt", "Nm"]
        assert set(told["faults"][0]) == {"line", "element", "message", "advice"}
        assert "the first fault is on line 44, CdtTrfTxInf/PmtId/UETR: it is " in told["detail"]
        assert problem(await client.post("/instant/messages", content=b""))["status"] == 422
        large = problem(await client.post("/instant/messages", content=bytes(MESSAGE_BYTES_MAX + 1)))
        assert large["status"] == 413
        assert (await client.get("/instant/payments")).json() == []

    ask(story)


def test_an_answer_that_nobody_waits_for_is_refused() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        answer = write(await sent(client, samples.credit_transfer()))
        told = problem(await client.post("/instant/messages", content=answer))
        assert told["detail"].startswith("pacs.002.001.10 is an answer, and nothing here waits for one")

    ask(story)


def test_what_is_not_there_or_not_to_be_decided_is_told() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        for path in ("", "/recall", "/returns/0"):
            assert problem(await client.get(f"{PAYMENT}{path}"))["status"] == 404
        for path in ("decision", "recall/decision"):
            decision = {"accept": True, "who": "OPS"}
            assert problem(await client.post(f"{PAYMENT}/{path}", json=decision))["status"] == 404
        assert problem(await client.get("/instant/payments?status=x"))["detail"] == (
            "status is 'x': choose from PDNG, ACCC, RJCT"
        )
        assert problem(await policy(client, arrivals="never"))["status"] == 422
        nobody = await client.put("/institutions/992000231/accounts/1/instant-policy", json={"who": "OPS"})
        assert problem(nobody)["status"] == 404

    ask(story)


def test_each_answer_says_whether_it_was_checked_against_schemas(tmp_path: Path) -> None:
    async def unchecked(client: httpx.AsyncClient) -> None:
        answer = await client.post("/instant/messages", content=samples.credit_transfer())
        assert answer.headers["ropewalk-schemas"] == "none: only the fields that decide are checked"

    async def checked(client: httpx.AsyncClient) -> None:
        answer = await client.post("/instant/messages", content=samples.credit_transfer())
        assert answer.headers["ropewalk-schemas"] == "checked"
        told = problem(await client.post("/instant/messages", content=samples.recall()))
        assert told["faults"][0]["element"] == "FIToFIPmtCxlReq"

    ask(unchecked)
    for namespace in NEEDED:
        element = "AppHdr" if "head." in namespace else "Document"
        strict = '<xs:element name="nothing"/>' if "camt.056" in namespace else ""
        put(tmp_path, namespace, LENIENT.format(namespace=namespace, element=element, inside=strict))
    ask(checked, service=payments_with(schemas_in(tmp_path)))


def test_an_answer_that_its_schema_objects_to_is_not_sent_and_what_happened_can_be_seen(tmp_path: Path) -> None:
    async def story(client: httpx.AsyncClient) -> None:
        told = problem(await client.post("/instant/messages", content=samples.credit_transfer()))
        assert (told["status"], told["type"]) == (504, "urn:ropewalk:problem:outcome_unknown")
        assert "the answer can't be given as its schema asks (line " in told["detail"]
        assert (await client.get(PAYMENT)).json()["status"] == "ACCC"

    for namespace in NEEDED:
        element = "AppHdr" if "head." in namespace else "Document"
        strict = '<xs:element name="nothing"/>' if namespace == f"{NAMESPACE}pacs.002.001.10" else ""
        put(tmp_path, namespace, LENIENT.format(namespace=namespace, element=element, inside=strict))
    ask(story, service=payments_with(schemas_in(tmp_path)))


def test_a_message_without_a_header_is_answered_without_one() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        answer = await sent(client, write(Envelope(read(samples.status_request()).message)))
        assert answer.header is None
        assert status(answer) == ("RJCT", ["AG09"])
        assert isinstance(read(samples.status_request()).message, StatusRequest)

    ask(story)


def of_meadow(content: bytes) -> bytes:
    """A message of Harbor as one of Meadow, which is kept where Cordage is if there are three partitions."""
    return content.replace(ach.HARBOR.routing_number.encode(), ach.MEADOW.routing_number.encode())


def ask_partitions(story: Story) -> None:
    async def main() -> None:
        async with client_of(msgspec.structs.replace(payments, partitions=3)) as (client, node):
            for bank, account in ((ach.HARBOR, "20000000"), (ach.MEADOW, "20000000"), (ach.CORDAGE, "20000001")):
                await open_bank(node, bank, account)
            await story(client)

    asyncio.run(main())


async def open_bank(node: Node, bank: ach.Institution, account: str) -> None:
    """A bank, and an account of it that may be overdrawn, in the bank's partition."""
    routing = bank.routing_number
    accounts = [NewAccount(routing, account, overdraft=True)]
    for command in (OpenInstitution(routing, bank.name), OpenAccounts(accounts)):
        request = Request(NO_ID, encode_command(command))
        await node.submit([request], partition=node.service.partition_of(routing))


def test_messages_find_the_partition_of_their_banks() -> None:
    async def story(client: httpx.AsyncClient) -> None:
        assert status(await sent(client, of_meadow(samples.credit_transfer()))) == ("ACCC", [])
        assert status(await sent(client, of_meadow(samples.status_request()))) == ("ACCC", [])
        assert status(await sent(client, of_meadow(samples.partial_return()))) == ("ACSC", [])
        assert status(await sent(client, of_meadow(samples.recall()))) == ("PDCR", [])
        decision = {"accept": True, "who": "OPS"}
        assert (await client.post(f"{PAYMENT}/recall/decision", json=decision)).status_code == 200
        assert (await client.get(f"{PAYMENT}/returns/1")).status_code == 200
        assert (await client.get(f"{PAYMENT}/recall")).status_code == 200
        assert (await client.get(PAYMENT)).json()["returned_cents"] == 51_74
        assert len((await client.get("/instant/payments")).json()) == 1
        assert problem(await client.get(f"/instant/payments/{samples.UETR_TO_NOBODY}"))["status"] == 404
        assert (await policy(client, arrivals="ask")).status_code == 200

    ask_partitions(story)
