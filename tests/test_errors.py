"""What the errors promise to whoever catches them."""

import pytest

from ropewalk.errors import Bug, NotAccepted, invariant


def test_a_broken_invariant_names_the_claim_and_the_facts() -> None:
    with pytest.raises(Bug, match=r"debits equal credits \[total_minor=3\]"):
        invariant(False, "debits equal credits", total_minor=3)


def test_an_invariant_that_holds_is_silent() -> None:
    invariant(True, "two is even", number=2)


def test_not_accepted_says_when_to_come_back() -> None:
    assert NotAccepted("the queue holds 10 of 10", retry_after_s=0.25).retry_after_s == 0.25
