"""The mailbox's rules written down a second time, by themselves."""

import pytest

from ropewalk.core.machine import Message, Outcome, Received
from ropewalk.core.mailbox import Delivery, Letter, Mailbox, Receipt
from ropewalk.proving.history import Broken
from ropewalk.proving.letters import Letters

A, B = "town/0", "town/1"
LETTERS = [Letter(b"one"), Letter(b"two", b"tag"), Letter(b"three")]


def sent() -> Letters:
    """Three letters from one partition to another."""
    letters = Letters()
    letters.send(A, Outcome([], sent=[Message(B, each.command, each.tag) for each in LETTERS]), [])
    return letters


def delivery(first: int, *chosen: Letter) -> list[Delivery]:
    return [Delivery(A, B, first, chosen)]


def test_each_takes_effect_once_in_order_however_it_comes() -> None:
    letters = sent()
    taken = [
        received.command
        for notes in (
            delivery(2, *LETTERS[1:]),
            delivery(1, *LETTERS[:2]),
            delivery(1, *LETTERS),
            delivery(1, LETTERS[0]),
        )
        for received in letters.take_in(B, notes)
    ]
    assert taken == [b"one", b"two", b"three"]
    assert (letters.taken_in, letters.again) == (3, 3)


def test_what_is_on_the_way_was_sent_and_has_not_come() -> None:
    letters = sent()
    letters.take_in(B, delivery(1, LETTERS[0]))
    assert letters.on_the_way() == [Received(A, b"two", b"tag", number=2), Received(A, b"three", number=3)]


def test_the_reply_to_a_message_with_a_tag_is_a_letter() -> None:
    letters = sent()
    taken = letters.take_in(B, delivery(1, *LETTERS))
    letters.send(B, Outcome([b"1", b"2", b"3"]), taken)
    assert letters.on_the_way() == [Received(B, b"2", b"tag", is_reply=True, number=1)]


def test_a_record_may_be_read_when_what_it_speaks_of_has_happened() -> None:
    letters = sent()
    assert letters.allow(B, delivery(3, LETTERS[2]))
    assert not letters.allow(B, delivery(4, LETTERS[2]))
    assert not letters.allow(A, [Receipt(B, 1)])
    letters.take_in(B, delivery(1, LETTERS[0]))
    assert letters.allow(A, [Receipt(B, 1)])


def test_a_letter_that_was_not_sent_under_its_number_is_found() -> None:
    with pytest.raises(Broken, match="what was sent under its numbers"):
        sent().take_in(B, delivery(1, LETTERS[1]))


def test_what_a_mailbox_does_not_know_of_is_found() -> None:
    letters, mailbox = sent(), Mailbox()
    with pytest.raises(Broken, match="every message takes effect"):
        letters.check_at_rest(B, mailbox)
    letters.take_in(B, delivery(1, *LETTERS))
    for owner in (A, B):
        with pytest.raises(Broken, match=f"{owner} knows that"):
            letters.check_at_rest(owner, mailbox)
