"""Instant payments as a part of the machine: what it says, tells, keeps and refuses to read."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from ropewalk.core.chain import Position
from ropewalk.core.machine import Batch, Event, Received, Request
from ropewalk.engines.memory import MemoryShelf
from ropewalk.errors import Rejected
from ropewalk.proving.conformance import check_machine
from ropewalk.systems.payments.instant import record
from ropewalk.systems.payments.instant.limits import NOTES_MAX, PAYMENTS_KEPT, RETURNS_MAX, WORDS_MAX, Terms
from ropewalk.systems.payments.instant.messages import (
    INSTANT,
    AnyQuery,
    AskStatus,
    GetPayment,
    GetRecall,
    GetReport,
    GetReturn,
    ListPayments,
    PaymentView,
    Take,
    encode_command,
    encode_query,
)
from ropewalk.systems.payments.instant.record import Note, Payment, Status
from ropewalk.systems.payments.iso20022.model import (
    Envelope,
    Original,
    PaymentReturn,
    Resolution,
    StatusReport,
    StatusRequest,
)
from ropewalk.systems.payments.iso20022.reading import read
from ropewalk.systems.payments.iso20022.samples import credit_transfer, recall
from ropewalk.systems.payments.iso20022.writing import write
from ropewalk.systems.payments.machine import PaymentsMachine
from tests.payments.instant.desks import Apart, Desk, Together
from tests.payments.instant.story import Story, uetr

STORIES = Path(__file__).parent / "stories"
TOWN = """
bank harbor
bank meadow
account harbor/1000 cents=100
account meadow/2001
"""


@pytest.fixture
def story() -> Story:
    story = Story()
    story.run(TOWN)
    return story


def asked(story: Story, query: AnyQuery, kind: type) -> object:
    return msgspec.msgpack.decode(story.town.machine.read(encode_query(query)), type=kind)


def events_of(story: Story, command: bytes) -> list[Event]:
    """What the machine tells who follows it, when a command is applied."""
    story.town.position += 1
    batch = Batch(Position(story.town.position), story.town.time_ns, [Request(bytes(16), command)])
    return list(story.town.machine.apply(batch).events)


@pytest.mark.parametrize("name", sorted(path.stem for path in STORIES.glob("*.txt")))
def test_a_story_goes_the_same_on_every_replica_and_after_every_restart(name: str) -> None:
    story = Story()
    blocks = (STORIES / f"{name}.txt").read_text().split("\n\n")
    for block in blocks:
        asked_for = block.split("\n----", 1)[0]
        story.run("\n".join(line for line in asked_for.splitlines() if not line.startswith("#")))
    shelf = MemoryShelf()
    kept = 2 if name == "forgotten" else PAYMENTS_KEPT
    requests = [batch.requests for batch in story.town.batches]
    asyncio.run(check_machine(lambda: PaymentsMachine(shelf, terms=Terms(payments_kept=kept)), requests))


def test_whoever_follows_is_told_of_each_decision_once(story: Story) -> None:
    transfer = read(credit_transfer()).message
    told = events_of(story, encode_command(Take(transfer)))  # type: ignore[arg-type]
    assert [(event.kind, event.subject) for event in told] == [("instant.payment", transfer.uetr)]  # type: ignore[union-attr]
    report = msgspec.msgpack.decode(told[0].data, type=StatusReport)
    assert (report.status, report.reasons[0].code) == ("RJCT", "AC02")
    assert events_of(story, encode_command(Take(transfer))) == []  # type: ignore[arg-type]


def test_a_recall_that_is_accepted_tells_of_the_return_and_of_the_answer(story: Story) -> None:
    story.run("policy meadow/2001 recalls=accept\npay a harbor/1000 meadow/2001 10")
    request = msgspec.structs.replace(
        read(recall()).message,
        original=Original(uetr("a")),
        amount=None,
        assigner=story.answers[-1].instructed,  # type: ignore[union-attr]
    )
    told = events_of(story, encode_command(Take(request)))  # type: ignore[arg-type]
    assert [event.kind for event in told] == ["instant.return", "instant.recall"]
    assert msgspec.msgpack.decode(told[0].data, type=PaymentReturn).amount.minor == 10_00
    assert msgspec.msgpack.decode(told[1].data, type=Resolution).confirmation == "IPAY"


def test_a_payment_is_seen_with_all_that_happened_to_it(story: Story) -> None:
    story.run("pay a harbor/1000 meadow/2001 10\nreturn a 1 id=R1\nrecall a\npay b harbor/1000 meadow/9999 5")
    view = asked(story, GetPayment(uetr("a")), PaymentView)
    assert isinstance(view, PaymentView)
    assert (view.status, view.amount_cents, view.returned_cents, view.due_ns) == ("ACCC", 10_00, 1_00, 0)
    assert [(each.return_id, each.amount_cents, each.reason) for each in view.returns] == [("R1", 1_00, "CUST")]
    assert view.recall is not None
    assert (view.recall.outcome, view.recall.asked_for) == ("pending", "DUPL")
    assert [note.what for note in view.history] == ["taken", "returned", "recalled"]
    listed = asked(story, ListPayments(), list[PaymentView])
    assert [each.uetr for each in listed] == [uetr("b"), uetr("a")]  # type: ignore[attr-defined]
    assert asked(story, ListPayments(status="ACCC"), list[PaymentView]) == [view]
    assert asked(story, ListPayments(limit=1), list[PaymentView]) == listed[:1]  # type: ignore[index]


def test_the_messages_of_a_payment_can_be_had_again(story: Story) -> None:
    story.run("pay a harbor/1000 meadow/2001 10\nreturn a 1 id=R1\nrecall a")
    assert asked(story, GetReport(uetr("a")), StatusReport) == story.answers[0]
    assert asked(story, GetRecall(uetr("a")), Resolution) == story.answers[2]
    back = asked(story, GetReturn(uetr("a"), 0), PaymentReturn)
    assert isinstance(back, PaymentReturn)
    assert (back.return_id, back.amount.minor, back.original.uetr) == ("R1", 1_00, uetr("a"))


@pytest.mark.parametrize(
    ("query", "what"),
    [
        (GetPayment("z"), "there is no payment with the UETR 'z'"),
        (GetReport("z"), "there is no payment with the UETR 'z'"),
        (GetReturn(uetr("a"), 0), f"{uetr('a')} has 0 returns, and no 0: they count from 0"),
        (GetReturn(uetr("a"), -1), f"{uetr('a')} has 0 returns, and no -1: they count from 0"),
        (GetRecall(uetr("a")), f"{uetr('a')} is not recalled"),
        (ListPayments(limit=0), "a page has 1 to 1000 rows, not 0"),
    ],
)
def test_what_is_not_there_is_told(story: Story, query: AnyQuery, what: str) -> None:
    story.run("pay a harbor/1000 meadow/2001 10")
    with pytest.raises(Rejected) as caught:
        asked(story, query, object)
    assert str(caught.value) == what


@pytest.mark.parametrize("nonsense", [b"\x20", b"\x20\x01", INSTANT + msgspec.msgpack.encode({"command": "Take"})])
def test_bytes_that_are_no_command_or_query_are_rejected(story: Story, nonsense: bytes) -> None:
    with pytest.raises(Rejected, match="not a command of instant payments"):
        story.town.machine.vet(nonsense)
    with pytest.raises(Rejected, match="not a query of instant payments"):
        story.town.machine.read(nonsense)


@pytest.mark.parametrize(
    ("field", "value"),
    [("uetr", "z" * 36), ("uetr", ""), ("uetr", f"{uetr('a')}\n"), ("amount", {"currency": "USD", "minor": -1}),
     ("amount", {"currency": "USD", "minor": 10**18})],
)  # fmt: skip
def test_a_program_can_send_no_more_than_a_message_can_say(story: Story, field: str, value: object) -> None:
    command = msgspec.to_builtins(Take(read(credit_transfer()).message))  # type: ignore[arg-type]
    command["message"][field] = value
    with pytest.raises(Rejected, match="not a command of instant payments"):
        story.town.machine.vet(INSTANT + msgspec.msgpack.encode(command))


def test_what_no_partition_says_is_not_heard(story: Story) -> None:
    with pytest.raises(Rejected, match="not a message between shards about instant payments"):
        story.town.machine.instant.receive(Received("payments/1", INSTANT), time_ns=7)


def test_there_are_no_more_returns_than_can_be_looked_up_at_once(story: Story) -> None:
    story.run("pay a harbor/1000 meadow/2001 100")
    told = story.run("\n".join(f"return a 1 id=R{number}" for number in range(RETURNS_MAX + 1)))
    assert told.split("\n") == [*["ACSC"] * RETURNS_MAX, "RJCT AG13"]


@pytest.mark.parametrize("opened", [Together, Apart])
def test_a_recall_after_the_last_return_is_remembered_when_its_words_are_let_go(
    opened: Callable[[int], Desk],
) -> None:
    story = Story(opened)
    story.run(f"keep 1{TOWN}policy meadow/2001 recalls=accept")
    story.run("pay a harbor/1000 meadow/2001 50")
    story.run("\n".join(f"return a 1 id=R{number}" for number in range(RETURNS_MAX)))
    assert story.run("recall a") == "IPAY ACCR"
    story.run("pay b harbor/1000 meadow/2001 40\npay c harbor/1000 meadow/2001 1")
    assert story.run("recall a case=AGAIN\nbalances harbor/1000") == "RJCR RJCR ARDT\nharbor/1000: 59.00"


@pytest.mark.parametrize("opened", [Together, Apart])
def test_no_more_recalls_wait_for_people_than_may(
    opened: Callable[[int], Desk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "OPEN_MAX", 2)
    story = Story(opened)
    story.run(f"keep 1{TOWN}")
    told = story.run("\n".join(f"pay {each} harbor/1000 meadow/2001 1\nrecall {each}" for each in "abcde"))
    answers = told.split("\n")[1::2]
    assert answers[0] == "PDCR PDCR"
    assert answers[-1] == "RJCR RJCR NARR"
    assert answers.count("PDCR PDCR") <= 1 + 2
    assert story.run("decide-recall a accept\ndecide-recall b accept") == "IPAY ACCR\nIPAY ACCR"
    assert story.run("pay f harbor/1000 meadow/2001 1\nrecall e case=AGAIN") == "ACCC\nPDCR PDCR"


@pytest.mark.parametrize("words", ["who", "why"])
def test_what_people_say_is_bounded(story: Story, words: str) -> None:
    story.run("policy meadow/2001 arrivals=ask\npay a harbor/1000 meadow/2001 10")
    most, more = (f"{words}={number * 'w'}" for number in (WORDS_MAX, WORDS_MAX + 1))
    refused = f"refused: who: say who decides and why in up to {WORDS_MAX} characters each"
    assert story.run(f"decide a accept {more}\npolicy meadow/2001 {more}") == f"{refused}\n{refused}"
    assert story.run(f"decide a accept {most}\nrecall a\ndecide-recall a CUST {more}") == (
        f"ACCC\nPDCR PDCR\n{refused}"
    )


def test_a_long_history_keeps_its_first_note_and_the_newest(story: Story) -> None:
    story.run("pay a harbor/1000 meadow/2001 10")
    payment = story.town.machine.instant._record.find(uetr("a"))
    assert isinstance(payment, Payment)
    for number in range(NOTES_MAX):
        payment.note(Note(number, f"{number}", "OPS"))
    whats = [note.what for note in payment.history]
    assert (len(whats), whats[0], whats[1], whats[-1]) == (NOTES_MAX, "taken", "1", f"{NOTES_MAX - 1}")


def test_many_payments_time_out_a_step_a_batch(story: Story) -> None:
    story.run("policy meadow/2001 arrivals=ask")
    letters = [chr(0x4E00 + number) for number in range(300)]
    story.run("\n".join(f"pay {letter} harbor/1000 meadow/2001 0.01" for letter in letters))
    town = story.town
    town.time_ns += 20_000_000_000
    town.batch([])
    waiting = asked(story, ListPayments(status=Status.PENDING, limit=1_000), list[PaymentView])
    assert len(waiting) == 300 - 256  # type: ignore[arg-type]
    town.settle()
    assert asked(story, ListPayments(status=Status.PENDING), list[PaymentView]) == []


def test_a_status_request_is_answered_in_xml_that_is_read_again(story: Story) -> None:
    story.run("pay a harbor/1000 meadow/2001 10\nstatus a")
    [report] = story.answers[-1:]
    assert read(write(Envelope(report))).message == msgspec.convert(msgspec.to_builtins(report), StatusReport)
    request = StatusRequest(message_id="M", created="2026-11-24T09:00:00Z", original=Original(uetr("a")))
    assert asked(story, AskStatus(request), StatusReport) == report
