"""Planted bugs in following: each is found by a test."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from ropewalk.core.machine import Received
from ropewalk.core.mailbox import Delivery, Letter, Mailbox
from ropewalk.runtime import followers
from tests.runtime import test_followers as following

parcels_of, take_in = followers._parcels, Mailbox.take_in


def brings_the_first_twice(log: str, events: Sequence[Any]) -> Iterator[list[Letter]]:
    for letters in parcels_of(log, events):
        yield letters[:1] + letters


def takes_in_whatever_comes(mailbox: Mailbox, delivery: Delivery) -> Sequence[Received]:
    mailbox._inbox.pop(delivery.sender, None)
    return take_in(mailbox, Delivery(delivery.sender, delivery.receiver, 1, delivery.letters))


@pytest.mark.parametrize(
    ("where", "name", "bug", "test"),
    [
        (
            followers,
            "_parcels",
            brings_the_first_twice,
            following.test_every_event_of_every_partition_takes_effect_once_across_restarts,
        ),
        (
            Mailbox,
            "take_in",
            takes_in_whatever_comes,
            following.test_events_are_followed_from_a_url_and_by_several_at_once,
        ),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_planted_bug_is_found(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, bug: object, test: Callable[[], None]
) -> None:
    test()
    monkeypatch.setattr(where, name, bug)
    with pytest.raises((AssertionError, TimeoutError)):
        test()
