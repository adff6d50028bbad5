"""Planted bugs in webhooks: each loses events, or takes forged ones, and is found."""

import hmac
from collections.abc import Callable

import pytest

from ropewalk.communication.webhooks import delivery
from ropewalk.communication.webhooks.messages import Failed, Progress
from ropewalk.communication.webhooks.outcomes import Outcomes
from ropewalk.communication.webhooks.window import Window
from tests.communication.webhooks.test_signatures import BODY, SECRET, WRONG, headers
from tests.communication.webhooks.test_signatures import (
    test_what_is_not_genuine_is_rejected_with_the_reason as check_forgeries,
)
from tests.runtime.webhooks.losses import losses

SEEDS = range(6)


def answers_move_the_cursor(window: Window, number: int) -> None:
    window.through = max(window.through, number)


def what_is_sent_is_done_with(window: Window, number: int) -> None:
    window.taken = window.through = number


def failures_are_forgotten(outcomes: Outcomes, attempt: object, *, is_gone: bool) -> None:
    outcomes.delivered += 1


def failures_do_not_wait(progress: Progress, *_: object) -> tuple[Progress, Failed | None]:
    return progress, None


@pytest.mark.parametrize(
    ("where", "name", "bug"),
    [
        (Window, "finish", answers_move_the_cursor),
        (Window, "take", what_is_sent_is_done_with),
        (Outcomes, "fail", failures_are_forgotten),
        (delivery, "_fail", failures_do_not_wait),
    ],
)
def test_a_planted_loss_is_found(
    monkeypatch: pytest.MonkeyPatch, where: object, name: str, bug: Callable[..., object]
) -> None:
    monkeypatch.setattr(where, name, bug)
    assert any(fails(seed) for seed in SEEDS)


def fails(seed: int) -> bool:
    try:
        losses(seed)
    except (AssertionError, TimeoutError):
        return True
    return False


def test_without_a_bug_nothing_is_lost() -> None:
    for seed in SEEDS:
        losses(seed)


def test_a_verification_that_takes_any_signature_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hmac, "compare_digest", lambda *_: True)
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        check_forgeries(BODY, headers(WRONG), SECRET, "no webhook-signature fits")
