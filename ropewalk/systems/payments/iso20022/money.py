"""Amounts of money: whole numbers of a currency's smallest unit, and the decimal text that messages have.

Checked by: tests/payments/iso20022/test_money.py
"""

import re
from typing import Annotated, Final

import msgspec

from ropewalk.systems.payments.ach.iso import CURRENCIES
from ropewalk.systems.payments.iso20022.limits import AMOUNT_MAX

_NO_DECIMALS: Final = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"
_THREE_DECIMALS: Final = "BHD IQD JOD KWD LYD OMR TND"
_FOUR_DECIMALS: Final = "CLF UYW"

EXPONENTS: Final = {
    **dict.fromkeys(sorted(CURRENCIES), 2),
    **dict.fromkeys(_NO_DECIMALS.split(), 0),
    **dict.fromkeys(_THREE_DECIMALS.split(), 3),
    **dict.fromkeys(_FOUR_DECIMALS.split(), 4),
}
"""Decimals of each currency's smallest unit (ISO 4217)."""

_DECIMAL: Final = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,5}))?")


class Amount(msgspec.Struct, frozen=True):
    """`minor` is in the smallest unit of the currency: 51.74 dollars are USD 5174."""

    currency: str
    minor: Annotated[int, msgspec.Meta(ge=0, le=AMOUNT_MAX)]

    def __str__(self) -> str:
        """The amount as messages have it, without the currency."""
        return decimal(self)


def decimal(amount: Amount) -> str:
    """An amount as decimal text, with as many decimals as its currency has."""
    exponent = EXPONENTS[amount.currency]
    digits = f"{amount.minor:0{exponent + 1}}"
    return f"{digits[:-exponent]}.{digits[-exponent:]}" if exponent else digits


def amount_of(text: str, currency: str) -> Amount | str:
    """The amount of a decimal text; or, in words, what is wrong with it."""
    exponent = EXPONENTS.get(currency)
    if exponent is None:
        return f"{currency!r} is no currency of ISO 4217"
    found = _DECIMAL.fullmatch(text)
    if found is None:
        return f"{text!r} is no amount"
    decimals = found[2] or ""
    if decimals[exponent:].strip("0"):
        return f"{text} has more decimals than the {exponent} of {currency}"
    minor = int(found[1] + decimals[:exponent].ljust(exponent, "0"))
    return Amount(currency, minor) if minor <= AMOUNT_MAX else f"{text} is more than 18 digits hold"
