"""Messages between two partitions: each takes effect once and in order, whatever happens to deliveries."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.core.mailbox import Delivery, Letter, Mailbox, Receipt
from ropewalk.errors import Bug

SENDER, RECEIVER = "bank/0", "bank/1"


def posted(count: int) -> Mailbox:
    mailbox = Mailbox()
    for number in range(1, count + 1):
        mailbox.post(RECEIVER, Letter(bytes([number])))
    return mailbox


def delivery(mailbox: Mailbox, *, after: int = 0, count: int = 100) -> Delivery:
    first, letters = mailbox.letters(RECEIVER, after=after, count_max=count, bytes_max=1_000)
    return Delivery(SENDER, RECEIVER, first, letters)


def taken(mailbox: Mailbox, delivery: Delivery) -> list[int]:
    return [message.command[0] for message in mailbox.take_in(delivery)]


def test_a_delivery_takes_effect_once() -> None:
    receiver, sent = Mailbox(), delivery(posted(3))
    assert taken(receiver, sent) == [1, 2, 3]
    assert taken(receiver, sent) == []
    assert receiver.taken_in(SENDER) == 3


def test_of_an_overlapping_delivery_only_what_is_new_takes_effect() -> None:
    sender, receiver = posted(4), Mailbox()
    receiver.take_in(delivery(sender, count=2))
    assert taken(receiver, delivery(sender)) == [3, 4]


def test_a_delivery_that_came_too_early_has_no_effect() -> None:
    sender, receiver = posted(4), Mailbox()
    assert taken(receiver, delivery(sender, after=2)) == []
    assert receiver.taken_in(SENDER) == 0


def test_senders_are_numbered_apart() -> None:
    receiver = Mailbox()
    receiver.take_in(Delivery("bank/2", RECEIVER, 1, [Letter(b"x")]))
    assert (receiver.taken_in("bank/2"), receiver.taken_in(SENDER)) == (1, 0)


def test_what_was_taken_in_leaves_the_outbox_and_its_numbers_go_on() -> None:
    sender = posted(3)
    sender.settle(Receipt(RECEIVER, 2))
    sender.settle(Receipt(RECEIVER, 1))
    assert (sender.waiting, sender.waiting_bytes, list(sender.receivers())) == (1, 1, [RECEIVER])
    sender.settle(Receipt(RECEIVER, 3))
    assert (sender.waiting, sender.waiting_bytes, list(sender.receivers())) == (0, 0, [])
    sender.post(RECEIVER, Letter(b"4"))
    assert delivery(sender).first == sender.sent(RECEIVER) == 4


def test_a_receipt_for_what_was_never_sent_is_a_bug() -> None:
    with pytest.raises(Bug, match="only what was sent"):
        posted(1).settle(Receipt(RECEIVER, 2))


def test_a_delivery_is_bounded_and_never_empty() -> None:
    mailbox = posted(0)
    for size in (900, 200, 5_000):
        mailbox.post(RECEIVER, Letter(bytes(size // 2), bytes(size // 2)))
    assert mailbox.waiting_bytes == 6_100
    assert [letter.size for letter in delivery(mailbox).letters] == [900]
    assert [letter.size for letter in delivery(mailbox, after=2).letters] == [5_000]
    assert len(delivery(posted(5), count=2).letters) == 2


def test_what_was_saved_goes_on_where_it_was() -> None:
    mailbox = posted(3)
    mailbox.settle(Receipt(RECEIVER, 1))
    mailbox.take_in(Delivery("bank/7", RECEIVER, 1, [Letter(b"x", b"tag", is_reply=True)]))
    again = Mailbox()
    again.load(mailbox.save())
    assert (again.save(), again.waiting, again.waiting_bytes) == (mailbox.save(), 2, 2)
    assert delivery(again) == delivery(mailbox)


@given(st.integers(1, 20), st.lists(st.tuples(st.integers(0, 20), st.integers(1, 6), st.booleans()), max_size=60))
def test_whatever_is_lost_repeated_or_overtaken_each_message_takes_effect_once_and_in_order(
    count: int, rounds: Sequence[tuple[int, int, bool]]
) -> None:
    sender, receiver = posted(count), Mailbox()
    effects: list[int] = []
    for after, size, is_noted in rounds:
        effects += taken(receiver, delivery(sender, after=min(after, sender.sent(RECEIVER)), count=size))
        if is_noted:
            sender.settle(Receipt(RECEIVER, receiver.taken_in(SENDER)))
    effects += taken(receiver, delivery(sender))
    assert effects == list(range(1, count + 1))
