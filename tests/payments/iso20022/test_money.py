"""Amounts are whole numbers of the smallest unit, and text that says the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ropewalk.systems.payments.iso20022.limits import AMOUNT_MAX
from ropewalk.systems.payments.iso20022.money import EXPONENTS, Amount, amount_of, decimal

AMOUNTS = st.builds(Amount, st.sampled_from(sorted(EXPONENTS)), st.integers(0, AMOUNT_MAX))


@given(AMOUNTS)
def test_an_amount_is_read_as_it_was_written(amount: Amount) -> None:
    assert amount_of(decimal(amount), amount.currency) == amount


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("51.74", "USD", 5174),
        ("51.7", "USD", 5170),
        ("51", "USD", 5100),
        ("51.74000", "USD", 5174),
        ("51.00", "JPY", 51),
        ("51.7", "KWD", 51700),
        ("0.05", "USD", 5),
        ("0", "USD", 0),
    ],
)
def test_decimals_are_those_of_the_currency(text: str, currency: str, minor: int) -> None:
    assert amount_of(text, currency) == Amount(currency, minor)


@pytest.mark.parametrize(
    ("text", "currency", "what"),
    [
        ("51.745", "USD", "51.745 has more decimals than the 2 of USD"),
        ("51.7", "JPY", "51.7 has more decimals than the 0 of JPY"),
        ("-51.74", "USD", "'-51.74' is no amount"),
        ("1e5", "USD", "'1e5' is no amount"),
        ("\u0665", "USD", "'\u0665' is no amount"),
        ("", "USD", "'' is no amount"),
        ("123456789012345678", "USD", "123456789012345678 is more than 18 digits hold"),
        ("51.74", "XYZ", "'XYZ' is no currency of ISO 4217"),
        ("51.74", "", "'' is no currency of ISO 4217"),
    ],
)
def test_what_is_no_amount_is_told_why(text: str, currency: str, what: str) -> None:
    assert amount_of(text, currency) == what
