"""Who takes part: finding accounts among many, and opening the same thing twice."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.systems.payments.processing.directory import is_routing_number
from ropewalk.systems.payments.processing.index import AccountIndex, keys_of
from ropewalk.systems.payments.processing.limits import ACCOUNTS_OPENED_MAX
from ropewalk.systems.payments.processing.messages import (
    Done,
    ListAccounts,
    NewAccount,
    OpenAccounts,
    OpenInstitution,
    Refused,
)
from tests.payments.processing.town import HARBOR, MEADOW, Town

numbers = st.text("0189A-", min_size=1, max_size=17).map(str.encode)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), numbers), max_size=60, unique=True), st.integers(0, 60))
def test_an_account_is_found_by_its_institution_and_number(known: list[tuple[int, bytes]], split: int) -> None:
    index = AccountIndex()
    for part in (known[:split], known[split:]):
        if part:
            index.add(_keys(part))
    strangers = [(bank + 4, number) for bank, number in known]
    if known:
        assert index.find(_keys(known)).tolist() == list(range(len(known)))
        assert index.find(_keys(strangers)).tolist() == [-1] * len(known)


def test_the_index_grows() -> None:
    index = AccountIndex()
    accounts = [(number % 7, str(number).encode()) for number in range(5_000)]
    for first in range(0, len(accounts), 700):
        index.add(_keys(accounts[first : first + 700]))
    assert index.find(_keys(accounts)).tolist() == list(range(len(accounts)))


def _keys(accounts: list[tuple[int, bytes]]) -> np.ndarray:
    return keys_of(
        np.array([bank for bank, _ in accounts], "i4"), np.array([number for _, number in accounts], "S17")
    )


def test_a_routing_number_has_a_check_digit() -> None:
    assert is_routing_number("061000146")
    assert not is_routing_number("061000147")
    assert not is_routing_number("06100014")
    assert not is_routing_number("06100014x")


def test_accounts_are_opened_all_or_none() -> None:
    town = Town()
    town.do(OpenInstitution(HARBOR, "HARBOR"))
    good, stranger = NewAccount(HARBOR, "1"), NewAccount(MEADOW, "2")
    assert isinstance(town.do(OpenAccounts([good, stranger])), Refused)
    assert town.ask(ListAccounts()) == b"\x90"
    assert town.do(OpenAccounts([good])) == Done()
    assert town.do(OpenAccounts([good])) == Done(repeated=True)
    assert town.do(OpenAccounts([good, NewAccount(HARBOR, "2")])) == Done()


def test_an_account_is_not_opened_twice_in_one_command() -> None:
    town = Town()
    town.do(OpenInstitution(HARBOR, "HARBOR"))
    twice = [NewAccount(HARBOR, "1"), NewAccount(HARBOR, "1")]
    assert isinstance(town.do(OpenAccounts(twice)), Refused)


def test_a_command_opens_no_more_accounts_than_its_limit() -> None:
    town = Town()
    town.do(OpenInstitution(HARBOR, "HARBOR"))
    many = [NewAccount(HARBOR, str(number)) for number in range(ACCOUNTS_OPENED_MAX + 1)]
    assert isinstance(town.do(OpenAccounts(many)), Refused)
    assert town.do(OpenAccounts(many[:-1])) == Done()
