"""Why an entry comes back: return reasons R01 to R85, change codes C01 to C69, and the time each may take.

A return must reach the originating bank by the opening of business on the second banking day after the entry
settled, or, where a consumer's claim is behind it, by the opening of the banking day after the sixtieth calendar day.

Sources: Nacha Operating Rules, Appendix Four (Return Entries) and Five (Notification of Change); the lists that
moov-io/ach documents.

Checked by: tests/payments/ach/test_codes.py
"""

from enum import StrEnum
from typing import Final, NamedTuple


class Stage(StrEnum):
    """Where in the life of a return a reason is used."""

    RETURN = "return"
    DISHONORED = "dishonored return"
    CONTESTED = "contested dishonored return"


class ReturnReason(NamedTuple):
    """A return reason and its time limit: at most one of the two is set; neither means at the bank's discretion."""

    code: str
    title: str
    banking_days: int | None = 2
    calendar_days: int | None = None
    stage: Stage = Stage.RETURN


def _days_60(code: str, title: str) -> ReturnReason:
    return ReturnReason(code, title, banking_days=None, calendar_days=60)


def _dishonored(code: str, title: str) -> ReturnReason:
    """The originating bank has five banking days after the return settled."""
    return ReturnReason(code, title, banking_days=5, stage=Stage.DISHONORED)


def _contested(code: str, title: str) -> ReturnReason:
    """The receiving bank has two banking days after the dishonored return settled."""
    return ReturnReason(code, title, banking_days=2, stage=Stage.CONTESTED)


_REASONS: Final = (
    ReturnReason("R01", "insufficient funds"),
    ReturnReason("R02", "account closed"),
    ReturnReason("R03", "no account, or unable to locate it"),
    ReturnReason("R04", "invalid account number structure"),
    _days_60("R05", "unauthorized debit to a consumer account using a corporate entry class"),
    ReturnReason("R06", "returned at the originating bank's request", banking_days=None),
    _days_60("R07", "authorization revoked by customer"),
    ReturnReason("R08", "payment stopped"),
    ReturnReason("R09", "uncollected funds"),
    _days_60("R10", "originator not known to the receiver, or not authorized by it"),
    _days_60("R11", "entry not in accordance with the terms of the authorization"),
    ReturnReason("R12", "account sold to another institution"),
    ReturnReason("R13", "receiving institution not qualified to participate"),
    ReturnReason("R14", "representative payee deceased, or unable to continue"),
    ReturnReason("R15", "beneficiary or account holder deceased"),
    ReturnReason("R16", "account frozen, or entry returned on instruction of OFAC"),
    ReturnReason("R17", "file record edit criteria, or questionable circumstances"),
    ReturnReason("R18", "improper effective entry date"),
    ReturnReason("R19", "amount field error"),
    ReturnReason("R20", "non-transaction account"),
    ReturnReason("R21", "invalid company identification"),
    ReturnReason("R22", "invalid individual id number"),
    ReturnReason("R23", "credit entry refused by receiver"),
    ReturnReason("R24", "duplicate entry"),
    ReturnReason("R25", "addenda error"),
    ReturnReason("R26", "mandatory field error"),
    ReturnReason("R27", "trace number error"),
    ReturnReason("R28", "routing number check digit error"),
    ReturnReason("R29", "corporate customer advises not authorized"),
    ReturnReason("R30", "receiving institution not a participant in check truncation"),
    ReturnReason("R31", "permissible return entry (CCD and CTX)", banking_days=None),
    ReturnReason("R32", "receiving institution does not settle"),
    _days_60("R33", "return of an XCK entry"),
    ReturnReason("R34", "limited participation of the institution"),
    ReturnReason("R35", "return of an improper debit entry"),
    ReturnReason("R36", "return of an improper credit entry"),
    _days_60("R37", "source document presented for payment"),
    _days_60("R38", "stop payment on the source document"),
    ReturnReason("R39", "improper source document, or source document presented for payment"),
    ReturnReason("R40", "return of an ENR entry by a federal agency"),
    ReturnReason("R41", "invalid transaction code (ENR)"),
    ReturnReason("R42", "routing number or check digit error (ENR)"),
    ReturnReason("R43", "invalid account number (ENR)"),
    ReturnReason("R44", "invalid individual id number (ENR)"),
    ReturnReason("R45", "invalid individual or company name (ENR)"),
    ReturnReason("R46", "invalid representative payee indicator (ENR)"),
    ReturnReason("R47", "duplicate enrollment (ENR)"),
    ReturnReason("R50", "state law affecting RCK acceptance"),
    _days_60("R51", "item related to an RCK entry is ineligible, or the entry is improper"),
    _days_60("R52", "stop payment on the item related to an RCK entry"),
    _days_60("R53", "item and RCK entry both presented for payment"),
    _dishonored("R61", "misrouted return"),
    _dishonored("R62", "return of an erroneous or reversing debit"),
    _dishonored("R67", "duplicate return"),
    _dishonored("R68", "untimely return"),
    _dishonored("R69", "field error in the return"),
    _dishonored("R70", "permissible return not accepted, or return not requested"),
    _contested("R71", "misrouted dishonored return"),
    _contested("R72", "untimely dishonored return"),
    _contested("R73", "timely original return"),
    _contested("R74", "corrected return"),
    _contested("R75", "return not a duplicate"),
    _contested("R76", "no errors found in the return"),
    _contested("R77", "non-acceptance of an R62 dishonored return"),
    ReturnReason("R80", "IAT entry coding error"),
    ReturnReason("R81", "non-participant in the IAT program"),
    ReturnReason("R82", "invalid foreign receiving institution"),
    ReturnReason("R83", "foreign receiving institution unable to settle"),
    ReturnReason("R84", "entry not processed by the gateway"),
    ReturnReason("R85", "incorrectly coded outbound international payment"),
)

RETURN_REASONS: Final = {reason.code: reason for reason in _REASONS}
"""Every return reason, by its code."""

CHANGE_CODES: Final = {
    "C01": "incorrect account number",
    "C02": "incorrect routing number",
    "C03": "incorrect routing number and account number",
    "C04": "incorrect individual or receiving company name",
    "C05": "incorrect transaction code",
    "C06": "incorrect account number and transaction code",
    "C07": "incorrect routing number, account number and transaction code",
    "C08": "incorrect identification of the receiving bank (IAT)",
    "C09": "incorrect individual identification number",
    "C10": "incorrect company name",
    "C11": "incorrect company identification",
    "C12": "incorrect company name and company identification",
    "C13": "addenda format error",
    "C14": "incorrect entry class for an outbound international payment",
}
"""What a notification of change says is wrong."""

REFUSED_CHANGE_CODES: Final = {
    "C61": "misrouted notification of change",
    "C62": "incorrect trace number",
    "C63": "incorrect company identification number",
    "C64": "incorrect individual identification number",
    "C65": "incorrectly formatted corrected data",
    "C66": "incorrect discretionary data",
    "C67": "routing number not from the original entry",
    "C68": "account number not from the original entry",
    "C69": "incorrect transaction code",
}
"""Why the originating bank refuses a notification of change."""


class Correction(NamedTuple):
    """What a notification of change wants changed; what it does not touch is None."""

    routing_number: str | None = None
    account: str | None = None
    transaction_code: int | None = None
    name: str | None = None
    individual_id: str | None = None


def correction(change_code: str, corrected_data: str) -> Correction:
    """Read the corrected data of an addenda 98: its columns depend on the change code."""
    data = corrected_data.ljust(29)
    match change_code:
        case "C01":
            return Correction(account=_text(data[:17]))
        case "C02":
            return Correction(routing_number=_text(data[:9]))
        case "C03":
            return Correction(routing_number=_text(data[:9]), account=_text(data[12:29]))
        case "C04":
            return Correction(name=_text(data[:22]))
        case "C05":
            return Correction(transaction_code=_number(data[:2]))
        case "C06":
            return Correction(account=_text(data[:17]), transaction_code=_number(data[20:22]))
        case "C07":
            account = _text(data[9:26])
            return Correction(_text(data[:9]), account, _number(data[26:28]))
        case "C09":
            return Correction(individual_id=_text(data[:22]))
        case _:
            return Correction()


def _text(columns: str) -> str | None:
    return columns.strip() or None


def _number(columns: str) -> int | None:
    return int(columns) if columns.isdigit() else None
