"""The messages of 1987 that are spoken, as what they ask, and the fields of what they are answered.

    0100        authorisation                        0110   Authorise
    0120 0121   advice of one made elsewhere         0130   Authorise, decided
    0200        purchase; completion, if it names    0210   Authorise that posts; Complete
                an authorisation (38 or 90)
    0220 0221   advice of either                     0230   the same, decided
    0400 0401   reversal                             0410   Reverse
    0420 0421   advice of a reversal                 0430   Reverse
    0800        sign-on, sign-off, echo (70)         0810   by the connection itself

A last digit of 1 says that the message is repeated; it is the same message with the same keys, and is answered as
the first one was. A message is named by its acquirer (32), its time (7) and its trace number (11); a later one names
it in 90, or refers to it by acquirer, retrieval reference number (37) and card.

Checked by: tests/payments/cards/test_messages.py
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from ropewalk.systems.payments.cards.codec import Fields, Malformed
from ropewalk.systems.payments.cards.commands import Answer, Authorise, Complete, Movement, Origin, Reverse
from ropewalk.systems.payments.cards.masking import masked
from ropewalk.systems.payments.cards.reasons import Reason
from ropewalk.systems.payments.cards.specification import Flag
from ropewalk.systems.payments.cards.tokens import CardKey

AUTHORISATIONS: Final = frozenset({"0100", "0101", "0120", "0121"})
FINANCIALS: Final = frozenset({"0200", "0201", "0220", "0221"})
REVERSALS: Final = frozenset({"0400", "0401", "0420", "0421"})
NETWORK: Final = frozenset({"0800", "0801"})

_PURCHASES: Final = ("00", "01", "09")
"""Processing codes (3) that take money from the cardholder: goods, cash, goods with cash back."""

_APPROVED: Final = ("", "00", "08", "10", "11", "16", "85")
"""What an advice says in 39 if the transaction it tells of was approved."""

_ECHOED: Final = ("2", "3", "4", "7", "11", "12", "13", "32", "33", "37", "41", "42", "49", "70", "90")
"""What an answer repeats of its message."""

_ORIGINAL_DIGITS: Final = 42


class Management(StrEnum):
    """What a network message asks: its code in 70."""

    SIGN_ON = "001"
    SIGN_OFF = "002"
    ECHO = "301"


def is_answer(message_type: str) -> bool:
    """True for a type that answers another one, and so is never answered. Raises Malformed if it is no type."""
    if len(message_type) != 4 or not (message_type.isascii() and message_type.isdigit()):
        raise Malformed("a message type is four digits", field="t", read={})
    return message_type[2] in "135"


def answer_type(message_type: str) -> str:
    """The type of the answer to a message of this one: 0110 to 0100 and to its repeat, 0101."""
    return f"{message_type[:2]}{int(message_type[2]) | 1}0"


def answer_fields(asked: Mapping[str, str], answer: Answer) -> Fields:
    """The fields of an answer."""
    reason = Reason(answer.reason)
    fields = {number: asked[number] for number in _ECHOED if number in asked}
    fields["t"] = answer_type(asked["t"])
    fields["39"] = reason.code
    if answer.approval:
        fields["38"] = answer.approval
    if reason is Reason.APPROVED_IN_PART:
        fields["4"] = f"{answer.amount_minor:012}"
    if reason.words:
        fields["44"] = reason.words
    return fields


def reject_fields(malformed: Malformed) -> Fields | None:
    """The fields that answer a message which can't be read, as far as it could be; None if it was an answer."""
    read = malformed.read
    try:
        if is_answer(read.get("t", "")):
            return None
        message_type = answer_type(read["t"])
    except Malformed:
        message_type = "0810"
    fields = {number: read[number] for number in ("7", "11", "37") if number in read}
    fields["t"] = message_type
    fields["39"] = Reason.MALFORMED.code
    if malformed.field.isdigit():
        fields["44"] = f"field {malformed.field}"
    return fields


def movement_of(fields: Mapping[str, str], key: CardKey, *, partial: Flag | None = None) -> Movement | Reason:
    """What a message asks the issuer, or what it is answered without asking. Raises Malformed, naming the field."""
    message_type = fields["t"]
    if message_type not in AUTHORISATIONS | FINANCIALS | REVERSALS:
        return Reason.UNSUPPORTED
    number, expires = _card(fields)
    amount = int(_digits(fields, "4", longest=12))
    origin = Origin(_institution(fields, "32"), _digits(fields, "7", exactly=10), _digits(fields, "11", exactly=6))
    currency = _needed(fields, "49")
    token, shown, reference = key.token(number), masked(number), fields.get("37", "").strip()
    if message_type in REVERSALS:
        if fields.get("95", "")[:12].strip("0 "):
            return Reason.PART_REVERSAL
        return Reverse(_original(fields), token, shown, amount, currency)
    if _digits(fields, "3", exactly=6)[:2] not in _PURCHASES:
        return Reason.TRANSACTION_UNKNOWN
    is_advice = message_type[2] == "2"
    if is_advice and fields.get("39", "") not in _APPROVED:
        # It tells of a refusal: nothing is held, so there is nothing to do but to take note.
        return Reason.APPROVED
    if message_type in FINANCIALS and ("38" in fields or "90" in fields):
        original = _original(fields) if "90" in fields else None
        return Complete(origin, token, shown, amount, currency, reference, original, is_decided=is_advice)
    return Authorise(
        origin, token, shown, amount, currency, reference, expires,
        posts=message_type in FINANCIALS,
        takes_part=not is_advice and partial is not None and partial.holds(fields),
        is_decided=is_advice,
    )  # fmt: skip


def _card(fields: Mapping[str, str]) -> tuple[str, str]:
    """The card's number and expiry, from their own fields or else from track 2. Never kept, and in no error."""
    number, expires = fields.get("2", ""), fields.get("14", "")
    if not number and "35" in fields:
        number, _, rest = fields["35"].replace("D", "=").partition("=")
        expires = expires or rest[:4]
    if not (number.isascii() and number.isdigit() and len(number) <= 19):
        raise Malformed("a card number of digits is missing", field="2", read=fields)
    if expires and not (expires.isascii() and expires.isdigit() and len(expires) == 4):
        raise Malformed("an expiry is YYMM", field="14", read=fields)
    return number, expires


def _original(fields: Mapping[str, str]) -> Origin:
    """The message that 90 names: its type, trace number, time, acquirer and forwarder."""
    text = _digits(fields, "90", exactly=_ORIGINAL_DIGITS)
    acquirer = text[20:31].lstrip("0") or _institution(fields, "32")
    return Origin(acquirer, text[10:20], text[4:10])


def _institution(fields: Mapping[str, str], number: str) -> str:
    """An institution's digits without leading zeros, which 90 adds and 32 need not have."""
    return _digits(fields, number, longest=11).lstrip("0") or "0"


def _digits(fields: Mapping[str, str], number: str, *, longest: int = 0, exactly: int = 0) -> str:
    text = _needed(fields, number)
    if not (text.isascii() and text.isdigit()) or len(text) > (longest or exactly) or len(text) < exactly:
        raise Malformed(f"{exactly or f'up to {longest}'} digits are needed", field=number, read=fields)
    return text


def _needed(fields: Mapping[str, str], number: str) -> str:
    text = fields.get(number, "")
    if not text:
        raise Malformed(f"it is missing, and a {fields['t']} needs it", field=number, read=fields)
    return text
