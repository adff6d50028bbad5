"""A budget: every row of the table, and that extras stay a share of the requests."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.communication import budgets
from ropewalk.communication.budgets import Budget
from tests.communication.tables import Row, rows_of

TOKENS_MAX = 3.0


def budget_with(tokens: int) -> Budget:
    """Each request earns a whole token."""
    budget = Budget(share=1.0, tokens_max=TOKENS_MAX)
    while budget.tokens > tokens:
        assert budget.spend(0.0)
    return budget


def state_of(budget: Budget) -> str:
    return "empty" if budget.tokens < 1.0 else "full" if budget.tokens == TOKENS_MAX else "some"


STATES = {
    ("empty", "a spending"): 0,
    ("empty", "an earning"): 0,
    ("some", "a spending"): 1,
    ("some", "an earning"): 2,
    ("full", "an earning"): 3,
    ("full", "a spending"): 3,
}
EVENTS: dict[str, Callable[[Budget], bool | None]] = {
    "a spending": lambda budget: budget.spend(0.0),
    "an earning": lambda budget: budget.earn(0.0),
}
ANSWERS = {"yes": True, "no": False, "-": None}


@pytest.mark.parametrize("row", rows_of(budgets), ids=lambda row: row.name)
def test_a_budget_follows_its_table(row: Row) -> None:
    budget = budget_with(STATES[row.state, row.event])
    assert state_of(budget) == row.state
    assert EVENTS[row.event](budget) is ANSWERS[row.answer]
    assert state_of(budget) == row.becomes


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 2.0)), max_size=200))
def test_what_is_spent_is_at_most_the_share_the_rate_and_the_bound(steps: list[tuple[bool, float]]) -> None:
    budget = Budget(share=0.2, tokens_max=5.0, per_second=0.5)
    now_s, requests, spent = 0.0, 0, 0
    for is_request, pause_s in steps:
        now_s += pause_s
        if is_request:
            budget.earn(now_s)
            requests += 1
        else:
            spent += budget.spend(now_s)
        assert spent <= 5.0 + 0.2 * requests + 0.5 * now_s + 1e-6


def test_who_calls_seldom_may_repeat_at_the_least_rate() -> None:
    budget = Budget(share=0.0, tokens_max=1.0, per_second=0.5)
    assert budget.spend(0.0)
    assert not budget.spend(1.0)
    assert budget.spend(2.0)
