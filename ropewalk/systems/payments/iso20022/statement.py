"""Account statements: camt.053.001.08, and the same lines as CSV (RFC 4180).

    opening balance ── entries, oldest first ──► closing balance

Only what is booked is an entry; what is reserved shows in the difference between the closing balance (CLBD) and what
is available then (CLAV).

Promise:    the closing balance is the opening balance and all entries; an amount's sign is its side (CRDT or DBIT).
Checked by: tests/payments/iso20022/test_statement.py, tests/payments/rest/test_statements.py
"""

import csv
from collections.abc import Iterator, Sequence
from io import StringIO
from itertools import accumulate
from typing import Final

import msgspec

from ropewalk.systems.payments.iso20022.fields import (
    CODE,
    CODE_5,
    DATE,
    DATE_TIME,
    MEMBER,
    TEXT_34,
    TEXT_35,
    UETR,
    Layout,
    Money,
    Several,
    Text,
)
from ropewalk.systems.payments.iso20022.layouts import NAMESPACE
from ropewalk.systems.payments.iso20022.money import Amount, decimal
from ropewalk.systems.payments.iso20022.writing import fill, new_root, serialized

DEFINITION: Final = "camt.053.001.08"
_ISSUER: Final = "ROPEWALK"
COLUMNS: Final = ("time", "what", "amount", "balance", "currency", "reference", "uetr")
"""The columns of the CSV file."""


class Entry(msgspec.Struct, frozen=True):
    """One booked transfer: an amount below zero left the account. `booked` is a time in ISO 8601, UTC."""

    booked: str
    minor: int
    what: str
    reference: str
    uetr: str = ""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What was on an account, what moved, and what is on it."""

    statement_id: str
    created: str
    begins: str
    ends: str
    routing: str
    account: str
    name: str
    currency: str
    opening_minor: int
    available_minor: int
    entries: Sequence[Entry]

    @property
    def closing_minor(self) -> int:
        """What is on it in the end."""
        return self.opening_minor + sum(entry.minor for entry in self.entries)


def write_camt053(statement: Statement) -> bytes:
    """The statement as camt.053."""
    document = new_root(NAMESPACE + DEFINITION, "Document")
    fill(document, _DOCUMENT, _document_of(statement))
    return serialized(document)


def write_csv(statement: Statement) -> bytes:
    """The statement's entries as CSV, each with the balance after it."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    balances = accumulate((entry.minor for entry in statement.entries), initial=statement.opening_minor)
    next(balances)
    for entry, balance in zip(statement.entries, balances, strict=True):
        amounts = (_signed(entry.minor, statement.currency), _signed(balance, statement.currency))
        writer.writerow((entry.booked, entry.what, *amounts, statement.currency, entry.reference, entry.uetr))
    return text.getvalue().encode()


class _Balance(msgspec.Struct, frozen=True):
    kind: str
    amount: Amount
    side: str
    at: str


class _Line(msgspec.Struct, frozen=True):
    amount: Amount
    side: str
    status: str
    booked: str
    value_day: str
    reference: str
    what: str
    issuer: str
    uetr: str


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    statement: Statement
    clearing_system: str
    balances: Sequence[_Balance]
    lines: Sequence[_Line]


_BALANCE: Final[Layout] = (
    Text("Tp/CdOrPrtry/Cd", "kind", CODE),
    Money("Amt", "amount"),
    Text("CdtDbtInd", "side", CODE),
    Text("Dt/DtTm", "at", DATE_TIME),
)

_LINE: Final[Layout] = (
    Money("Amt", "amount"),
    Text("CdtDbtInd", "side", CODE),
    Text("Sts/Cd", "status", CODE),
    Text("BookgDt/DtTm", "booked", DATE_TIME),
    Text("ValDt/Dt", "value_day", DATE),
    Text("AcctSvcrRef", "reference", TEXT_35),
    Text("BkTxCd/Prtry/Cd", "what", TEXT_35),
    Text("BkTxCd/Prtry/Issr", "issuer", TEXT_35),
    Text("NtryDtls/TxDtls/Refs/UETR", "uetr", UETR),
)

_STATEMENT: Final = "BkToCstmrStmt/Stmt"
_SERVICER: Final = f"{_STATEMENT}/Acct/Svcr/FinInstnId/ClrSysMmbId"

_DOCUMENT: Final[Layout] = (
    Text("BkToCstmrStmt/GrpHdr/MsgId", "statement.statement_id", TEXT_35),
    Text("BkToCstmrStmt/GrpHdr/CreDtTm", "statement.created", DATE_TIME),
    Text(f"{_STATEMENT}/Id", "statement.statement_id", TEXT_35),
    Text(f"{_STATEMENT}/CreDtTm", "statement.created", DATE_TIME),
    Text(f"{_STATEMENT}/FrToDt/FrDtTm", "statement.begins", DATE_TIME),
    Text(f"{_STATEMENT}/FrToDt/ToDtTm", "statement.ends", DATE_TIME),
    Text(f"{_STATEMENT}/Acct/Id/Othr/Id", "statement.account", TEXT_34),
    Text(f"{_STATEMENT}/Acct/Ccy", "statement.currency", CODE),
    Text(f"{_STATEMENT}/Acct/Nm", "statement.name", TEXT_35),
    Text(f"{_SERVICER}/ClrSysId/Cd", "clearing_system", CODE_5),
    Text(f"{_SERVICER}/MmbId", "statement.routing", MEMBER),
    Several(f"{_STATEMENT}/Bal", "balances", _Balance, _BALANCE),
    Several(f"{_STATEMENT}/Ntry", "lines", _Line, _LINE),
)


def _document_of(statement: Statement) -> _Document:
    return _Document(
        statement=statement,
        clearing_system="USABA",
        balances=list(_balances(statement)),
        lines=[_line(entry, statement.currency) for entry in statement.entries],
    )


def _balances(statement: Statement) -> Iterator[_Balance]:
    for kind, minor, at in (
        ("OPBD", statement.opening_minor, statement.begins),
        ("CLBD", statement.closing_minor, statement.ends),
        ("CLAV", statement.available_minor, statement.ends),
    ):
        yield _Balance(kind, Amount(statement.currency, abs(minor)), _side(minor), at)


def _line(entry: Entry, currency: str) -> _Line:
    return _Line(
        amount=Amount(currency, abs(entry.minor)),
        side=_side(entry.minor),
        status="BOOK",
        booked=entry.booked,
        value_day=entry.booked[:10],
        reference=entry.reference,
        what=entry.what,
        issuer=_ISSUER,
        uetr=entry.uetr,
    )


def _side(minor: int) -> str:
    return "DBIT" if minor < 0 else "CRDT"


def _signed(minor: int, currency: str) -> str:
    return f"{'-' if minor < 0 else ''}{decimal(Amount(currency, abs(minor)))}"
