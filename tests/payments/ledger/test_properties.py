"""The ledger does what its oracle does, whatever is asked of it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.payments.ledger.scenarios import Scenario


@settings(max_examples=120, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), steps=st.integers(1, 60))
def test_the_ledger_does_what_its_oracle_does(seed, steps):
    scenario = Scenario(seed)
    for _ in range(steps):
        scenario.step()
    scenario.both.check()
