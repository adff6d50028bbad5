"""Events on their way to real receivers that take them, fail, hang, close, ask for less, and go away."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest
from prometheus_client import generate_latest

from ropewalk.communication.webhooks.limits import JITTER_PERCENT, RETRY_DELAYS_S, WAITING_MAX
from ropewalk.communication.webhooks.messages import (
    ChangeEndpoint,
    Drop,
    RemoveEndpoint,
    Retry,
    RotateSecret,
    SwitchEndpoint,
)
from ropewalk.communication.webhooks.signatures import secret_text, verify
from ropewalk.core.limits import EVENTS_KEPT
from ropewalk.errors import Rejected
from ropewalk.observability.metrics import REGISTRY
from ropewalk.runtime.service import Service
from ropewalk.runtime.webhooks import deliveries
from ropewalk.runtime.webhooks.service import with_webhooks
from tests.runtime.webhooks.receiver import CLOSED, TAKEN, Receiver, answer, receiving
from tests.runtime.webhooks.shop import SECRET, Clock, Shop, numbered, orders, shop

Story = Callable[[Shop, Receiver], Awaitable[None]]


def play(story: Story, *, clock: Clock | None = None, service: Service | None = None) -> None:
    async def main() -> None:
        async with receiving() as receiver, shop(service, clock=clock) as open_shop:
            await story(open_shop, receiver)

    asyncio.run(main())


def test_every_event_arrives_once_signed_and_with_its_place_in_the_log() -> None:
    async def story(shop: Shop, receiver: Receiver) -> None:
        await shop.add(receiver)
        await shop.pay(*numbered(300))
        state = await shop.wait_behind()
        assert receiver.subjects == dict.fromkeys(numbered(300), 1)
        assert state.progress.delivered == 300
        for got in receiver.got:
            at_s = int(got.headers["webhook-timestamp"])
            assert verify(got.body, got.headers, [SECRET], now_s=at_s) == got.event["id"]
            assert got.headers["content-type"] == "application/cloudevents+json"
        event = min((got.event for got in receiver.got), key=lambda event: event["sequence"])
        assert (event["source"], event["type"], event["data"]) == ("/orders/0", "order.paid", {"order": "order-0"})

    play(story)


def test_the_events_of_all_partitions_arrive() -> None:
    async def story(shop: Shop, receiver: Receiver) -> None:
        await shop.add(receiver)
        await shop.pay(*numbered(100))
        state = await shop.wait_behind()
        assert receiver.subjects == dict.fromkeys(numbered(100), 1)
        assert len(state.progress.after) == 4

    play(story, service=orders(partitions=4))


def test_an_endpoint_gets_what_it_chose_from_when_it_was_added_and_its_cursor_passes_the_rest() -> None:
    async def story(shop: Shop, receiver: Receiver) -> None:
        await shop.pay("eu/before")
        await shop.add(receiver, kinds=("order.paid",), subject_prefix="eu/")
        await shop.pay("eu/1", "us/1")
        await shop.pay("eu/2", kind="order.lost")
        await shop.wait_behind()
        assert receiver.subjects == {"eu/1": 1}

    play(story)


def test_an_event_of_an_internal_kind_goes_only_to_who_names_it() -> None:
    async def story(shop: Shop, receiver: Receiver) -> None:
        await shop.add(receiver, "all")
        await shop.pay("a", "b", kind="order.decided")
        await shop.pay("c")
        await shop.wait_behind("all")
        assert receiver.subjects == {"c": 1}
        await shop.add(receiver, "named", kinds=("order.decided",))
        await shop.pay("d", kind="order.decided")
        await shop.wait_behind("named")
        assert receiver.subjects == {"c": 1, "d": 1}

    play(story, service=orders(internal={"order.decided"}))


def test_one_message_at_a_time_keeps_the_order_and_no_more_are_under_way_than_allowed() -> None:
    async def story(shop: Shop, receiver: Receiver) -> None:
        await shop.add(receiver, in_flight=1)
        await shop.pay(*numbered(50))
        await shop.wait_behind()
        assert [got.subject for got in receiver.got] == numbered(50)
        assert receiver.at_once_most == 1
        await shop.tell(ChangeEndpoint("a", in_flight=5))
        await shop.pay(*numbered(50))
        await shop.wait_behind()
        assert 1 < receiver.at_once_most <= 5

    play(story)


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (answer(500), "it answered 500"),
        (answer(404), "it answered 404"),
        (answer(301, "location: /"), "it answered 301"),
        (CLOSED, "it closed the connection"),
        (None, "it did not answer within 0.2 s"),
    ],
)
def test_what_is_not_taken_is_sent_again_with_the_same_id_and_holds_nothing_else_up(
    told: bytes | None, why: str
) -> None:
    clock = Clock()

    async def story(shop: Shop, receiver: Receiver) -> None:
        receiver.answers = lambda got: told if got.subject == "order-3" else TAKEN
        await shop.add(receiver)
        await shop.pay(*numbered(20))
        state = await shop.wait_behind()
        [letter] = state.progress.waiting
        assert (letter.subject, letter.attempts) == ("order-3", 1)
        assert why in letter.why
        receiver.answers = lambda _: TAKEN
        clock.added_s += RETRY_DELAYS_S[0] + 1
        await shop.pay("order-20")
        await receiver.wait_until(lambda: receiver.subjects["order-3"] == 2)
        first, second = (got for got in receiver.got if got.subject == "order-3")
        assert first.event_id == second.event_id
        assert first.body == second.body
        assert int(second.headers["webhook-timestamp"]) > int(first.headers["webhook-timestamp"])
        assert verify(second.body, second.headers, [SECRET], now_s=clock() / 1e9) == letter.event_id

    play(story, clock=clock, service=orders(clock, timeout_s=0.2))


def test_one_endpoint_that_hangs_does_not_hold_up_another() -> None:
    async def story(shop: Shop, receiver: Receiver) -> None:
        async with receiving() as other:
            other.answers = lambda _: None
            await shop.add(other, "hanging")
            await shop.add(receiver, "taking")
            await shop.pay(*numbered(50))
            await shop.wait_behind("taking")
            assert receiver.subjects == dict.fromkeys(numbered(50), 1)
            assert (await shop.state("hanging")).progress.delivered == 0

    play(story)


def test_a_receiver_that_asks_for_less_is_left_alone_for_as_long_as_it_says() -> None:
    async def story(shop: Shop, receiver: Receiver) -> None:
        times_s = []

        def answers(_: object) -> bytes:
            times_s.append(asyncio.get_running_loop().time())
            return answer(429, "retry-after: 1") if len(times_s) == 1 else TAKEN

        receiver.answers = answers
        await shop.add(receiver, in_flight=1)
        await shop.pay("order-1", "order-2")
        await receiver.wait_until(lambda: receiver.subjects["order-2"] == 1)
        assert times_s[1] - times_s[0] >= 0.99

    play(story)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("retry-after: 600", 600),
        ("retry-after: Fri, 02 Jan 2099 03:04:05 GMT", 86_400),
        ("retry-after: Fri, 02 Jan 1998 03:04:05 GMT", RETRY_DELAYS_S[0]),
        ("retry-after: soon", RETRY_DELAYS_S[0]),
    ],
)
def test_a_message_is_not_due_before_the_time_that_the_receiver_asked_for(header: str, seconds: int) -> None:
    async def story(shop: Shop, receiver: Receiver) -> None:
        receiver.answers = lambda _: answer(500, header)
        await shop.add(receiver)
        await shop.pay("order-1")
        state = await shop.wait_behind()
        [letter] = state.progress.waiting
        assert letter.due_ns - letter.first_ns == seconds * 1_000_000_000

    play(story)


def test_the_pause_before_a_message_is_sent_again_is_stretched_by_what_is_drawn() -> None:
    bounds = []

    def draw(below: int) -> int:
        bounds.append(below)
        return below - 1

    async def story(shop: Shop, receiver: Receiver) -> None:
        receiver.answers = lambda _: answer(500)
        await shop.add(receiver)
        await shop.pay("order-1")
        [letter] = (await shop.wait_behind()).progress.waiting
        assert bounds == [JITTER_PERCENT + 1]
        assert letter.due_ns - letter.first_ns == RETRY_DELAYS_S[0] * (100 + JITTER_PERCENT) * 10_000_000

    play(story, service=orders(draw=draw))


def test_an_endpoint_that_is_gone_is_sent_nothing_more_until_it_is_enabled_again() -> None:
    async def story(shop: Shop, receiver: Receiver) -> None:
        receiver.answers = lambda _: answer(410)
        await shop.add(receiver, in_flight=1)
        await shop.pay("order-1")
        state = await shop.wait_behind()
        assert state.endpoint.disabled_because == "it answered 410 Gone"
        receiver.answers = lambda _: TAKEN
        async with receiving() as other:
            # That another endpoint got it shows that this one would have.
            await shop.add(other, "b")
            await shop.pay("order-2")
            await shop.wait_behind("b")
        assert receiver.subjects == {"order-1": 1}
        await shop.tell(SwitchEndpoint("a"))
        await shop.wait_behind()
        assert receiver.subjects == {"order-1": 1, "order-2": 1}

    play(story)


def test_an_endpoint_that_takes_nothing_is_sent_a_bounded_number_and_all_the_rest_when_it_recovers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliveries, "PROBE_EVERY_S", 0.1)

    async def story(shop: Shop, receiver: Receiver) -> None:
        # The pause that it asks for is so long that only a probe finds out when it is well again.
        receiver.answers = lambda _: answer(500, "retry-after: 9999")
        await shop.add(receiver)
        await shop.pay(*numbered(500))
        await receiver.wait_until(lambda: len(receiver.got) >= WAITING_MAX + 3)
        state = await shop.state()
        assert len(state.progress.waiting) == WAITING_MAX
        assert {letter.attempts for letter in state.progress.waiting} == {1}
        assert len(receiver.subjects) == WAITING_MAX
        receiver.answers = lambda _: TAKEN
        await receiver.wait_until(lambda: len(receiver.subjects) == 500)
        state = await shop.wait_behind()
        assert state.progress.delivered == 500
        assert state.progress.waiting == ()

    play(story)


def test_an_endpoint_that_takes_nothing_is_disabled_when_it_says_that_it_is_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(deliveries, "PROBE_EVERY_S", 0.1)

    async def story(shop: Shop, receiver: Receiver) -> None:
        receiver.answers = lambda _: answer(500, "retry-after: 9999")
        await shop.add(receiver)
        await shop.pay(*numbered(WAITING_MAX))
        await receiver.wait_for(WAITING_MAX + 1)
        receiver.answers = lambda _: answer(410)
        async with asyncio.timeout(5):
            while not (state := await shop.state()).endpoint.disabled_because:
                await asyncio.sleep(0)
        assert len(state.progress.waiting) == WAITING_MAX

    play(story)


def test_dead_letters_are_sent_again_or_forgotten_when_an_operator_says_so() -> None:
    clock = Clock()

    async def story(shop: Shop, receiver: Receiver) -> None:
        receiver.answers = lambda got: TAKEN if got.subject.startswith("nudge") else answer(500)
        await shop.add(receiver)
        await shop.pay("order-1", "order-2")
        for number, delay_s in enumerate(RETRY_DELAYS_S):
            await receiver.wait_until(lambda number=number: receiver.subjects["order-2"] > number)  # type: ignore[misc]
            await shop.wait_behind()
            clock.added_s += delay_s + 1
            await shop.pay(f"nudge-{number}")
        while len((await shop.wait_behind()).progress.dead) < 2:
            await shop.pay("nudge")
        receiver.answers = lambda _: TAKEN
        first, second = (await shop.state()).progress.dead
        await shop.tell(Drop("a", (first.event_id,)))
        await shop.tell(Retry("a"))
        await receiver.wait_until(lambda: receiver.subjects[second.subject] == len(RETRY_DELAYS_S) + 2)
        assert receiver.subjects[first.subject] == len(RETRY_DELAYS_S) + 1

    play(story, clock=clock)


def metrics() -> dict[str, float]:
    """The metrics of endpoint `a` of orders, by their names."""
    labels = '{endpoint="a",service="orders"} '
    lines = [line.split(labels) for line in generate_latest(REGISTRY).decode().splitlines() if labels in line]
    return {name: float(value) for name, value in lines if "created" not in name}


def test_what_is_taken_fails_and_waits_is_in_the_metrics_until_the_endpoint_is_removed() -> None:
    async def story(shop: Shop, receiver: Receiver) -> None:
        receiver.answers = lambda got: answer(500) if got.subject == "order-3" else TAKEN
        await shop.add(receiver)
        await shop.pay(*numbered(20))
        await shop.wait_behind()
        assert metrics() == {
            "ropewalk_webhook_messages_taken_total": 19,
            "ropewalk_webhook_attempts_failed_total": 1,
            "ropewalk_webhook_messages_waiting": 1,
            "ropewalk_webhook_dead_letters": 0,
        }
        await shop.tell(RemoveEndpoint("a"))
        async with receiving() as other:
            # What is sent to another one shows that this one was stopped before.
            await shop.add(other, "b")
            await shop.pay("order-20")
            await other.wait_until(lambda: other.subjects["order-20"] == 1)
        assert metrics() == {}

    play(story)


def test_a_rotated_secret_signs_beside_the_old_one() -> None:
    async def story(shop: Shop, receiver: Receiver) -> None:
        new = secret_text(bytes([1]) * 32)
        await shop.add(receiver)
        await shop.tell(RotateSecret("a", new, keep_s=60))
        await shop.pay("order-1")
        await shop.wait_behind()
        [got] = receiver.got
        for secret in (new, SECRET):
            verify(got.body, got.headers, [secret], now_s=int(got.headers["webhook-timestamp"]))

    play(story)


def test_a_removed_endpoint_is_sent_nothing_more() -> None:
    async def story(shop: Shop, receiver: Receiver) -> None:
        async with receiving() as other:
            await shop.add(receiver)
            await shop.add(other, "b")
            await shop.tell(RemoveEndpoint("a"))
            await shop.pay("order-1")
            await shop.wait_behind("b")
        assert receiver.got == []

    play(story)


def test_events_that_are_no_longer_kept_are_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    async def story(shop: Shop, receiver: Receiver) -> None:
        await shop.add(receiver, subject_prefix="last")
        await shop.tell(SwitchEndpoint("a", "for a test"))
        for _ in range(EVENTS_KEPT // 8_192):
            await shop.pay(*["order"] * 8_192)
        await shop.pay("order", "order", "last")
        await shop.tell(SwitchEndpoint("a"))
        state = await shop.wait_behind()
        assert state.progress.missed == 3
        assert receiver.subjects == {"last": 1}
        assert "a: 3 events of orders/0 are no longer kept and were not sent" in caplog.text

    play(story)


def test_many_large_messages_that_fail_at_once_are_all_kept() -> None:
    async def story(shop: Shop, receiver: Receiver) -> None:
        receiver.answers = lambda _: answer(500)
        await shop.add(receiver, in_flight=40)
        # The order is the subject and is in the data: each message has about 120 kB.
        names = [f"{number}-{'x' * 60_000}" for number in range(40)]
        for name in names:
            await shop.pay(name)
        state = await shop.wait_behind()
        kept = sorted((letter.subject, letter.body_bytes > 120_000) for letter in state.progress.waiting)
        assert kept == sorted((name[:200], True) for name in names)

    play(story)


def test_a_service_whose_events_can_not_be_signed_is_refused() -> None:
    with pytest.raises(Rejected, match=r"events of 'a\.b' can't be sent"):
        with_webhooks(Service.keyed("a.b", commands=int, value=int, apply=lambda _, __: None))  # type: ignore[arg-type, return-value]
