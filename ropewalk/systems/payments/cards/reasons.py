"""Why a message is answered as it is: a response code of ISO 8583:1987 (field 39), and words for field 44.

Several reasons share a code, because the standard has few and whoever looks into a complaint wants to know more. A
reason's number is kept with the money it is about, so it never changes its meaning.

Checked by: tests/payments/cards/test_stories.py
"""

from enum import IntEnum


class Reason(IntEnum):
    """A number with its response code and up to 25 characters of words."""

    code: str
    words: str

    def __new__(cls, number: int, code: str = "", words: str = "") -> "Reason":
        member = int.__new__(cls, number)
        member._value_ = number
        member.code = code
        member.words = words
        return member

    APPROVED = 0, "00", ""
    APPROVED_IN_PART = 1, "10", ""
    HELD_NO_MORE = 2, "00", "hold had expired"
    WAS_REFUSED = 3, "00", "original was refused"
    STOPPED_IN_ADVANCE = 4, "00", "original never came"
    TAKEN_BY_BANK = 5, "00", ""

    UNKNOWN_CARD = 10, "14", "no such card"
    CARD_EXPIRED = 11, "54", "card expired"
    CARD_BLOCKED = 12, "62", "card blocked"
    CARD_LOST = 13, "41", "card lost"
    CARD_STOLEN = 14, "43", "card stolen"
    ACCOUNT_RESTRICTED = 15, "62", "account restricted"
    INSUFFICIENT_FUNDS = 16, "51", "insufficient funds"
    OVER_LIMIT = 17, "61", "over limit of card"
    OVER_DAY_LIMIT = 18, "61", "over limit of day"
    OVER_DAY_COUNT = 19, "65", "too many today"
    ACCOUNT_OVER_LIMIT = 20, "61", "over limit of account"
    ACCOUNT_OVER_COUNT = 21, "65", "too many of account"

    NO_AMOUNT = 30, "13", "no amount"
    OTHER_CURRENCY = 31, "12", "other currency"
    TRANSACTION_UNKNOWN = 32, "12", "no such transaction"
    TIME_FAR_OFF = 33, "30", "field 7 is days off"
    TRACE_USED = 34, "94", "trace number used before"
    REVERSED_IN_ADVANCE = 35, "12", "reversed before it came"
    PART_REVERSAL = 36, "12", "reversed whole or not"

    NO_ORIGINAL = 50, "25", "no such original"
    OTHER_CARD = 51, "25", "original of other card"
    OTHER_AMOUNT = 52, "25", "original of other amount"
    OVER_AUTHORISED = 53, "13", "more than authorised"
    ALREADY_COMPLETED = 54, "94", "completed before"
    ALREADY_REVERSED = 55, "12", "reversed before"
    TOO_LATE = 56, "68", "authorisation expired"
    ORIGINAL_REFUSED = 57, "12", "original was refused"
    NOTHING_HELD = 58, "12", "original holds nothing"

    NO_ISSUER = 70, "15", "no such issuer"
    ISSUER_UNAVAILABLE = 71, "91", "issuer does not answer"
    MALFORMED = 72, "30", ""
    NOT_SIGNED_ON = 73, "58", "not signed on"
    UNSUPPORTED = 74, "40", "message not supported"
    NOBODY_DECIDES = 75, "91", "issuer does not answer"

    @property
    def is_approval(self) -> bool:
        """True if the message did what it asked, or part of it."""
        return self.code in ("00", "10")
