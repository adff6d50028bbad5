"""Retries: what is safe to repeat, within a budget, after a pause that is drawn."""

import inspect
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.communication import retries
from ropewalk.communication.deadlines import deadline_in
from ropewalk.communication.limits import (
    ATTEMPTS_MAX,
    BACKOFF_BASE_S,
    BACKOFF_MAX_S,
    RETRY_SHARE,
    RETRY_TOKENS_MAX,
)
from ropewalk.communication.outcomes import Unreachable
from ropewalk.communication.retries import Failure, Nature, Retries, backoff_s, is_safe_to_repeat
from ropewalk.errors import Damaged, NotAccepted, OutcomeUnknown, Rejected, RopewalkError

ERRORS: dict[str, list[RopewalkError]] = {
    "Rejected": [Rejected("no")],
    "NotAccepted": [NotAccepted("not now"), Unreachable("nobody there")],
    "OutcomeUnknown": [OutcomeUnknown("perhaps")],
    "any other": [Damaged("torn"), RopewalkError("else")],
}
ROWS = re.findall(
    r"^    (Rejected|NotAccepted|OutcomeUnknown|any other) +(any|(?:[a-z]+ )?(?:write|read)) +(never|yes)",
    inspect.getdoc(retries) or "",
    re.MULTILINE,
)


def test_the_table_says_of_every_error_and_nature_what_is_repeated() -> None:
    said = {(error, nature) for error, natures, _ in ROWS for nature in natures_of(natures)}
    assert said == {(error, nature) for error in ERRORS for nature in Nature}
    assert len(ROWS) == 7


def natures_of(words: str) -> list[Nature]:
    return list(Nature) if words == "any" else [Nature(words)]


@pytest.mark.parametrize(("error", "natures", "repeated"), ROWS)
def test_what_is_repeated_follows_the_table(error: str, natures: str, repeated: str) -> None:
    for each in ERRORS[error]:
        for nature in natures_of(natures):
            assert is_safe_to_repeat(each, nature) is (repeated == "yes")


def failed(error: RopewalkError, *, attempts: int = 1, left_s: float = 10.0) -> Failure:
    return Failure(error, Nature.READ, attempts, deadline_in(left_s, now_s=0.0))


def test_the_last_attempt_is_the_last() -> None:
    known = Retries()
    assert known.pause_s(failed(NotAccepted("no"), attempts=ATTEMPTS_MAX - 1), now_s=0.0, draw=0.5) is not None
    assert known.pause_s(failed(NotAccepted("no"), attempts=ATTEMPTS_MAX), now_s=0.0, draw=0.5) is None


def test_a_target_that_says_when_to_come_back_is_believed() -> None:
    pause_s = Retries().pause_s(failed(NotAccepted("busy", retry_after_s=3.0)), now_s=0.0, draw=0.5)
    assert pause_s == pytest.approx(3.0 + BACKOFF_BASE_S / 2)


def test_another_target_need_not_be_waited_for() -> None:
    failure = msgspec.structs.replace(failed(NotAccepted("full", retry_after_s=3.0)), has_other=True)
    assert Retries().pause_s(failure, now_s=0.0, draw=0.0) == 0.0


def test_nothing_is_repeated_that_would_come_after_the_deadline() -> None:
    late = failed(NotAccepted("busy", retry_after_s=3.0), left_s=3.0)
    known = Retries()
    assert known.pause_s(late, now_s=0.0, draw=0.5) is None
    assert known.budget.tokens == RETRY_TOKENS_MAX


def test_when_everything_fails_targets_see_little_more_than_the_requests() -> None:
    known = Retries()
    repeated = 0
    for number in range(1_000):
        now_s = number / 1_000
        known.budget.earn(now_s)
        repeated += known.pause_s(failed(OutcomeUnknown("?")), now_s=now_s, draw=0.5) is not None
    assert repeated <= RETRY_TOKENS_MAX + 1_000 * RETRY_SHARE + 1
    assert repeated > 1_000 * RETRY_SHARE


@given(attempts=st.integers(1, ATTEMPTS_MAX), draw=st.floats(0.0, 1.0, exclude_max=True))
def test_a_pause_is_drawn_from_zero_to_a_bound_that_doubles(attempts: int, draw: float) -> None:
    pause_s = backoff_s(attempts, draw=draw)
    assert 0.0 <= pause_s <= min(BACKOFF_MAX_S, BACKOFF_BASE_S * 2 ** (attempts - 1))
    assert backoff_s(attempts, draw=0.0) == 0.0


def test_no_pause_passes_the_bound_however_many_attempts_failed() -> None:
    assert backoff_s(60, draw=1.0) == BACKOFF_MAX_S
