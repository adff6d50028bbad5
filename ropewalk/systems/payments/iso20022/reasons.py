"""Why a payment, a return or a recall is refused, or asked for: the external codes of ISO 20022 that are used here.

Sources: the external code sets of ISO 20022 (ExternalStatusReason1Code, ExternalReturnReason1Code,
ExternalCancellationReason1Code, ExternalPaymentCancellationRejection1Code); 9909 and 9910 are codes of US rails.

Checked by: tests/payments/iso20022/test_reasons.py
"""

from typing import Final, NamedTuple


class ReasonCode(NamedTuple):
    """A code, its name in the code set, and in which answers it stands."""

    code: str
    name: str
    rejects_payment: bool = False
    returns_payment: bool = False
    asks_recall: bool = False
    rejects_recall: bool = False


def _rejection(code: str, name: str) -> ReasonCode:
    return ReasonCode(code, name, rejects_payment=True)


def _either(code: str, name: str) -> ReasonCode:
    """Of accounts and customers: what a payment is rejected for on its way, and returned for afterwards."""
    return ReasonCode(code, name, rejects_payment=True, returns_payment=True)


_REASONS: Final = (
    _rejection("AB05", "timeout at the creditor agent"),
    _rejection("AB06", "timeout at the instructed agent"),
    _rejection("AB08", "creditor agent offline"),
    _rejection("AC02", "invalid debtor account number"),
    _either("AC03", "invalid creditor account number"),
    ReasonCode("AC04", "closed account number", rejects_payment=True, returns_payment=True, rejects_recall=True),
    _either("AC06", "blocked account"),
    _either("AG01", "transaction forbidden on this type of account"),
    _rejection("AG09", "original payment never received"),
    _rejection("AG13", "return forbidden"),
    ReasonCode(
        "AGNT", "incorrect agent", rejects_payment=True, returns_payment=True, asks_recall=True, rejects_recall=True
    ),
    _rejection("AM01", "zero amount"),
    _rejection("AM02", "amount above what is allowed at once"),
    _rejection("AM03", "currency not allowed"),
    ReasonCode("AM04", "insufficient funds", rejects_payment=True, rejects_recall=True),
    ReasonCode("AM09", "wrong amount", rejects_payment=True, returns_payment=True, asks_recall=True),
    _rejection("AM13", "amount exceeds the limit of the clearing system"),
    _rejection("AM14", "amount exceeds the limits agreed between bank and customer"),
    _either("BE04", "missing creditor address"),
    _either("BE05", "unrecognised initiating party"),
    _either("BE06", "unknown end customer"),
    ReasonCode("DUPL", "duplicate payment", rejects_payment=True, returns_payment=True, asks_recall=True),
    ReasonCode("FOCR", "following a cancellation request", rejects_payment=True, returns_payment=True),
    _either("MD07", "end customer deceased"),
    ReasonCode(
        "NARR", "see the details", rejects_payment=True, returns_payment=True, asks_recall=True, rejects_recall=True
    ),
    _rejection("RC03", "invalid debtor bank identifier"),
    _rejection("RC04", "invalid creditor bank identifier"),
    _rejection("TM01", "received after the cut-off time"),
    _rejection("9909", "malfunction of the central switch"),
    _rejection("9910", "instructed agent signed off"),
    ReasonCode("CUST", "asked or decided by a customer", returns_payment=True, asks_recall=True, rejects_recall=True),
    ReasonCode("FRAD", "fraudulent origin", asks_recall=True, returns_payment=True),
    ReasonCode("TECH", "technical problem", asks_recall=True),
    ReasonCode("ARDT", "already returned", rejects_recall=True),
    ReasonCode("LEGL", "legal decision", rejects_recall=True),
    ReasonCode("NOAS", "no answer from the customer", rejects_recall=True),
    ReasonCode("NOOR", "original transaction never received", rejects_recall=True),
)

REASONS: Final = {reason.code: reason for reason in _REASONS}
"""Every reason by its code."""
