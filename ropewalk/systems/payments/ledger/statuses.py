"""What becomes of an event: `CREATED`, or the first reason that applies of those listed.

The members stand in their order of precedence: if more than one reason applies, the one listed first is the answer.
The numbers are TigerBeetle's, and so is the meaning (docs/reference/requests of tigerbeetle/tigerbeetle); those from
1101 on are about guards, which it does not have.

Checked by: tests/payments/ledger/test_statuses.py (each is reached), test_properties.py (their order, by the oracle)
"""

from enum import IntEnum
from typing import Final


class Meaning(IntEnum):
    """A number with the sentence that explains it."""

    meaning: str

    def __new__(cls, number: int, meaning: str = "") -> "Meaning":
        member = int.__new__(cls, number)
        member._value_ = number
        member.meaning = meaning
        return member


class AccountStatus(Meaning):
    """What became of an account that was to be created, by precedence."""

    CREATED = 0xFFFFFFFF, "The account was created."
    LINKED_EVENT_FAILED = 1, "Another account of the same linked chain was refused."
    LINKED_EVENT_CHAIN_OPEN = 2, "The last account of the request has flags.linked, so its chain has no end."
    IMPORTED_EVENT_EXPECTED = 22, "The first account of the request has flags.imported, and this one has not."
    IMPORTED_EVENT_NOT_EXPECTED = 23, "This account has flags.imported, and the first of the request has not."
    TIMESTAMP_MUST_BE_ZERO = 3, "The timestamp is given by the ledger unless flags.imported is set."
    IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE = 24, "The timestamp of an import lies between 1 and 2^63 - 1."
    IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE = 25, "The timestamp of an import lies in the past."
    RESERVED_FIELD = 4, "The reserved field must be zero."
    RESERVED_FLAG = 5, "A flag is set that has no meaning."
    ID_MUST_NOT_BE_ZERO = 6, "Zero is not an id."
    ID_MUST_NOT_BE_INT_MAX = 7, "2^128 - 1 is not an id."
    EXISTS_WITH_DIFFERENT_FLAGS = 15, "The id belongs to an account with other flags."
    EXISTS_WITH_DIFFERENT_USER_DATA_128 = 16, "The id belongs to an account with another user_data_128."
    EXISTS_WITH_DIFFERENT_USER_DATA_64 = 17, "The id belongs to an account with another user_data_64."
    EXISTS_WITH_DIFFERENT_USER_DATA_32 = 18, "The id belongs to an account with another user_data_32."
    EXISTS_WITH_DIFFERENT_LEDGER = 19, "The id belongs to an account of another ledger."
    EXISTS_WITH_DIFFERENT_CODE = 20, "The id belongs to an account with another code."
    EXISTS = 21, "The same account exists already; a retry may take this for success."
    FLAGS_ARE_MUTUALLY_EXCLUSIVE = 8, "Only one of the two limits can be set."
    DEBITS_PENDING_MUST_BE_ZERO = 9, "Balances change by transfers only."
    DEBITS_POSTED_MUST_BE_ZERO = 10, "Balances change by transfers only."
    CREDITS_PENDING_MUST_BE_ZERO = 11, "Balances change by transfers only."
    CREDITS_POSTED_MUST_BE_ZERO = 12, "Balances change by transfers only."
    LEDGER_MUST_NOT_BE_ZERO = 13, "Zero is not a ledger."
    CODE_MUST_NOT_BE_ZERO = 14, "Zero is not a code."
    IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS = (
        26,
        "The timestamp of an import is later than that of every account, and is not that of a transfer.",
    )


class TransferStatus(Meaning):
    """What became of a transfer that was to be created, by precedence."""

    CREATED = 0xFFFFFFFF, "The transfer was created."
    LINKED_EVENT_FAILED = 1, "Another transfer of the same linked chain was refused."
    LINKED_EVENT_CHAIN_OPEN = 2, "The last transfer of the request has flags.linked, so its chain has no end."
    IMPORTED_EVENT_EXPECTED = 56, "The first transfer of the request has flags.imported, and this one has not."
    IMPORTED_EVENT_NOT_EXPECTED = 57, "This transfer has flags.imported, and the first of the request has not."
    TIMESTAMP_MUST_BE_ZERO = 3, "The timestamp is given by the ledger unless flags.imported is set."
    IMPORTED_EVENT_TIMESTAMP_OUT_OF_RANGE = 58, "The timestamp of an import lies between 1 and 2^63 - 1."
    IMPORTED_EVENT_TIMESTAMP_MUST_NOT_ADVANCE = 59, "The timestamp of an import lies in the past."
    RESERVED_FLAG = 4, "A flag is set that has no meaning."
    ID_MUST_NOT_BE_ZERO = 5, "Zero is not an id."
    ID_MUST_NOT_BE_INT_MAX = 6, "2^128 - 1 is not an id."
    EXISTS_WITH_DIFFERENT_FLAGS = 36, "The id belongs to a transfer with other flags."
    EXISTS_WITH_DIFFERENT_PENDING_ID = 40, "The id belongs to a transfer with another pending_id."
    EXISTS_WITH_DIFFERENT_TIMEOUT = 44, "The id belongs to a transfer with another timeout."
    EXISTS_WITH_DIFFERENT_DEBIT_ACCOUNT_ID = 37, "The id belongs to a transfer from another account."
    EXISTS_WITH_DIFFERENT_CREDIT_ACCOUNT_ID = 38, "The id belongs to a transfer to another account."
    EXISTS_WITH_DIFFERENT_AMOUNT = 39, "The id belongs to a transfer of another amount."
    EXISTS_WITH_DIFFERENT_USER_DATA_128 = 41, "The id belongs to a transfer with another user_data_128."
    EXISTS_WITH_DIFFERENT_USER_DATA_64 = 42, "The id belongs to a transfer with another user_data_64."
    EXISTS_WITH_DIFFERENT_USER_DATA_32 = 43, "The id belongs to a transfer with another user_data_32."
    EXISTS_WITH_DIFFERENT_LEDGER = 67, "The id belongs to a transfer of another ledger."
    EXISTS_WITH_DIFFERENT_CODE = 45, "The id belongs to a transfer with another code."
    EXISTS = 46, "The same transfer exists already; a retry may take this for success."
    ID_ALREADY_FAILED = 68, "A transfer with this id failed for a passing reason; a new attempt needs a new id."
    FLAGS_ARE_MUTUALLY_EXCLUSIVE = 7, "Posting and voiding exclude each other, pending, balancing and closing."
    DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO = 8, "Zero is not an account."
    DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX = 9, "2^128 - 1 is not an account."
    CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO = 10, "Zero is not an account."
    CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX = 11, "2^128 - 1 is not an account."
    ACCOUNTS_MUST_BE_DIFFERENT = 12, "An account can't transfer to itself."
    PENDING_ID_MUST_BE_ZERO = 13, "Only a transfer that posts or voids names a pending one."
    PENDING_ID_MUST_NOT_BE_ZERO = 14, "A transfer that posts or voids names the pending one."
    PENDING_ID_MUST_NOT_BE_INT_MAX = 15, "2^128 - 1 is not an id."
    PENDING_ID_MUST_BE_DIFFERENT = 16, "A transfer can't post or void itself."
    TIMEOUT_RESERVED_FOR_PENDING_TRANSFER = 17, "Only a pending transfer has a timeout."
    CLOSING_TRANSFER_MUST_BE_PENDING = 64, "A transfer that closes an account is pending, so that it can be undone."
    LEDGER_MUST_NOT_BE_ZERO = 19, "Zero is not a ledger."
    CODE_MUST_NOT_BE_ZERO = 20, "Zero is not a code."
    DEBIT_ACCOUNT_NOT_FOUND = 21, "There is no account with that id."
    CREDIT_ACCOUNT_NOT_FOUND = 22, "There is no account with that id."
    ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER = 23, "The two accounts belong to different ledgers."
    TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS = 24, "The transfer names another ledger than its accounts do."
    PENDING_TRANSFER_NOT_FOUND = 25, "There is no transfer with the id in pending_id."
    PENDING_TRANSFER_NOT_PENDING = 26, "The transfer in pending_id was not created as pending."
    PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID = 27, "The pending transfer is from another account."
    PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID = 28, "The pending transfer is to another account."
    PENDING_TRANSFER_HAS_DIFFERENT_LEDGER = 29, "The pending transfer belongs to another ledger."
    PENDING_TRANSFER_HAS_DIFFERENT_CODE = 30, "The pending transfer has another code."
    EXCEEDS_PENDING_TRANSFER_AMOUNT = 31, "More would be posted than is pending."
    PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT = 32, "A void is of the whole pending amount, or of zero which means it."
    PENDING_TRANSFER_ALREADY_POSTED = 33, "The pending transfer was posted."
    PENDING_TRANSFER_ALREADY_VOIDED = 34, "The pending transfer was voided."
    PENDING_TRANSFER_EXPIRED = 35, "The pending transfer's timeout has passed."
    IMPORTED_EVENT_TIMESTAMP_MUST_NOT_REGRESS = (
        60,
        "The timestamp of an import is later than that of every transfer, and is not that of an account.",
    )
    IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_DEBIT_ACCOUNT = 61, "The debit account is younger than the import."
    IMPORTED_EVENT_TIMESTAMP_MUST_POSTDATE_CREDIT_ACCOUNT = 62, "The credit account is younger than the import."
    IMPORTED_EVENT_TIMEOUT_MUST_BE_ZERO = 63, "An import has no timeout: its time is not the ledger's."
    DEBIT_ACCOUNT_ALREADY_CLOSED = 65, "The debit account is closed: only a void can move what it has pending."
    CREDIT_ACCOUNT_ALREADY_CLOSED = 66, "The credit account is closed: only a void can move what it has pending."
    DEBIT_ACCOUNT_FROZEN = 1101, "The debit account is frozen: only a void can move what it has pending."
    CREDIT_ACCOUNT_FROZEN = 1102, "The credit account is frozen: only a void can move what it has pending."
    OVERFLOWS_DEBITS_PENDING = 47, "debits_pending of the debit account would not fit into 128 bits."
    OVERFLOWS_CREDITS_PENDING = 48, "credits_pending of the credit account would not fit into 128 bits."
    OVERFLOWS_DEBITS_POSTED = 49, "debits_posted of the debit account would not fit into 128 bits."
    OVERFLOWS_CREDITS_POSTED = 50, "credits_posted of the credit account would not fit into 128 bits."
    OVERFLOWS_DEBITS = 51, "All debits of the debit account would not fit into 128 bits."
    OVERFLOWS_CREDITS = 52, "All credits of the credit account would not fit into 128 bits."
    OVERFLOWS_TIMEOUT = 53, "The transfer would expire after 2^63 nanoseconds."
    EXCEEDS_CREDITS = 54, "The debit account's debits would exceed its credits, and it does not allow that."
    EXCEEDS_DEBITS = 55, "The credit account's credits would exceed its debits, and it does not allow that."
    EXCEEDS_TRANSFER_LIMIT = 1103, "The amount is more than the debit account's limit allows at once."
    EXCEEDS_WINDOW_LIMIT = 1104, "The debit account's limit allows no more than that in its window of time."
    EXCEEDS_WINDOW_COUNT = 1105, "The debit account has had as many debits as its limit allows in its window of time."


TRANSIENT: Final = frozenset(
    {
        TransferStatus.DEBIT_ACCOUNT_NOT_FOUND,
        TransferStatus.CREDIT_ACCOUNT_NOT_FOUND,
        TransferStatus.PENDING_TRANSFER_NOT_FOUND,
        TransferStatus.EXCEEDS_CREDITS,
        TransferStatus.EXCEEDS_DEBITS,
        TransferStatus.DEBIT_ACCOUNT_ALREADY_CLOSED,
        TransferStatus.CREDIT_ACCOUNT_ALREADY_CLOSED,
        TransferStatus.DEBIT_ACCOUNT_FROZEN,
        TransferStatus.CREDIT_ACCOUNT_FROZEN,
        TransferStatus.EXCEEDS_TRANSFER_LIMIT,
        TransferStatus.EXCEEDS_WINDOW_LIMIT,
        TransferStatus.EXCEEDS_WINDOW_COUNT,
    }
)
"""Passing reasons: the id of a transfer refused for one of them is used up, so that no retry turns out otherwise."""
