"""Files to try things with: made up, written to the standard, the same bytes every time.

The banks do not exist: no routing number that is in use starts with 99. `INSTITUTIONS` and `ACCOUNTS` are who takes
part; open them first, and the entries find their accounts, but for those that are meant to come back: an account that
nobody opened, one that is closed, one that is frozen and one without funds.

Checked by: tests/payments/ach/test_samples.py
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np

from ropewalk.systems.payments.ach import addenda_layouts, columns, layouts
from ropewalk.systems.payments.ach.balance import EMPTY_BATCH_CONTROL, balance
from ropewalk.systems.payments.ach.building import Addendum, BatchBuilder, build, header, remittance
from ropewalk.systems.payments.ach.columns import Cells
from ropewalk.systems.payments.ach.layout import PADDING, RECORD_LENGTH
from ropewalk.systems.payments.ach.model import File
from ropewalk.systems.payments.ach.reading import write


class Institution(NamedTuple):
    """A bank that takes part."""

    routing_number: str
    name: str


class Account(NamedTuple):
    """An account of a receiver, or of a company that sends files."""

    routing_number: str
    number: str
    name: str
    kind: str = "checking"
    is_corporate: bool = False
    opening_cents: int = 5_000_00
    status: str = "open"
    """`open`, `closed` or `frozen`."""


class Originator(NamedTuple):
    """A company that sends files, and the account at its bank that they settle with."""

    company_identification: str
    name: str
    account: Account


def _routing(first_eight: str) -> str:
    return first_eight + str(columns.check_digit(first_eight))


OPERATOR: Final = Institution(_routing("99000001"), "ROPEWALK CLEARING")
HARBOR: Final = Institution(_routing("99100012"), "HARBOR NATIONAL BANK")
CORDAGE: Final = Institution(_routing("99200023"), "CORDAGE SAVINGS BANK")
CAPSTAN: Final = Institution(_routing("99300034"), "CAPSTAN TRUST")
MEADOW: Final = Institution(_routing("99400045"), "HEMP MEADOW CREDIT UNION")
INSTITUTIONS: Final = (HARBOR, CORDAGE, CAPSTAN, MEADOW)

_CREATED: Final = "261124"
_EFFECTIVE: Final = "261125"
_FUNDS_CENTS: Final = 50_000_000_00
_BULK_FUNDS_CENTS: Final = 2_000_000_000_00


def _company(
    number: str, name: str, bank: Institution, *, account: str, funds_cents: int = _FUNDS_CENTS
) -> Originator:
    home = Account(bank.routing_number, account, name, is_corporate=True, opening_cents=funds_cents)
    return Originator(number, name, home)


ROPE_WORKS: Final = _company("1990000001", "ROPE WORKS INC", HARBOR, account="1000000001")
POWER: Final = _company("1990000002", "HARBOR POWER CO", CAPSTAN, account="1000000002")
CHANDLERY: Final = _company("1990000003", "SHIP CHANDLERY", CORDAGE, account="1000000003")
SHOP: Final = _company("1990000004", "KNOTS ONLINE", HARBOR, account="1000000004")
GATEWAY: Final = _company("1990000005", "CAPSTAN GATEWAY", CAPSTAN, account="1000000005")
BULK: Final = _company("1990000006", "BULK PAYER", HARBOR, account="1000000006", funds_cents=_BULK_FUNDS_CENTS)
ORIGINATORS: Final = (ROPE_WORKS, POWER, CHANDLERY, SHOP, GATEWAY, BULK)

_FIRST_NAMES: Final = ("ADA", "BARBARA", "EDSGER", "FRANCES", "GRACE", "JIM", "LESLIE", "NANCY", "RADIA", "TONY")
_PEOPLE: Final = tuple(
    Account(
        INSTITUTIONS[number % 4].routing_number,
        f"20{number:06}",
        f"{_FIRST_NAMES[number % 10]} TESTER {number:02}",
        kind="savings" if number % 5 == 4 else "checking",
    )
    for number in range(20)
)
_FIRMS: Final = tuple(
    Account(
        INSTITUTIONS[number % 4].routing_number,
        f"30{number:06}",
        f"TEST FIRM {number:02}",
        is_corporate=True,
        opening_cents=250_000_00,
    )
    for number in range(8)
)
_EMPTY: Final = Account(CORDAGE.routing_number, "20000900", "PENNY LESS", opening_cents=1_00)
_CLOSED: Final = Account(MEADOW.routing_number, "20000901", "CLEMENT GONE", status="closed", opening_cents=0)
_FROZEN: Final = Account(HARBOR.routing_number, "20000902", "FRIEDA ICE", status="frozen")
_NOBODY: Final = Account(CAPSTAN.routing_number, "20000999", "NO SUCH PERSON")

ACCOUNTS: Final = (*(each.account for each in ORIGINATORS), *_PEOPLE, *_FIRMS, _EMPTY, _CLOSED, _FROZEN)
"""Every account that the samples name, but for one that nobody opened."""


def _header(originator: Originator, time: str) -> bytes:
    sender = originator.account.routing_number
    name = next(bank.name for bank in INSTITUTIONS if bank.routing_number == sender)
    return header(
        destination=OPERATOR.routing_number,
        origin=sender,
        creation_date=_CREATED,
        creation_time=time,
        immediate_destination_name=OPERATOR.name,
        immediate_origin_name=name[:23],
    )


def _batch(entry_class: str, originator: Originator, description: str, *, descriptive_date: str = "") -> BatchBuilder:
    return BatchBuilder(
        entry_class,
        odfi=originator.account.routing_number[:8],
        company_name=originator.name,
        company_identification=originator.company_identification,
        company_entry_description=description,
        company_descriptive_date=descriptive_date,
        effective_entry_date=_EFFECTIVE,
    )


def _code(account: Account, *, is_debit: bool) -> int:
    return (37 if is_debit else 32) if account.kind == "savings" else (27 if is_debit else 22)


def payroll(*, created: str = "0900") -> bytes:
    """PPD credits: wages of twenty people, and a prenote for one who starts next month."""
    batch = _batch("PPD", ROPE_WORKS, "PAYROLL")
    for number, person in enumerate(_PEOPLE):
        batch.add(
            transaction_code=_code(person, is_debit=False),
            routing_number=person.routing_number,
            account=person.number,
            amount_cents=2_100_00 + number * 37_11,
            identification_number=f"EMP{number:05}",
            individual_name=person.name,
        )
    starter = _PEOPLE[0]
    batch.add(
        transaction_code=23,
        routing_number=starter.routing_number,
        account=starter.number,
        amount_cents=0,
        identification_number="EMP00020",
        individual_name=starter.name,
    )
    return write(build(_header(ROPE_WORKS, created), [batch]))


def utility() -> bytes:
    """PPD and CCD debits: power bills, of which four come back."""
    homes = _batch("PPD", POWER, "ELEC BILL")
    for number, person in enumerate((*_PEOPLE[:16], _EMPTY, _CLOSED, _FROZEN, _NOBODY)):
        homes.add(
            transaction_code=_code(person, is_debit=True),
            routing_number=person.routing_number,
            account=person.number,
            amount_cents=61_40 + number * 3_17,
            identification_number=f"METER{number:06}",
            individual_name=person.name,
        )
    firms = _batch("CCD", POWER, "ELEC BILL")
    for number, firm in enumerate(_FIRMS):
        firms.add(
            transaction_code=27,
            routing_number=firm.routing_number,
            account=firm.number,
            amount_cents=1_840_00 + number * 211_05,
            identification_number=f"METER9{number:05}",
            individual_name=firm.name,
            addenda=[remittance(f"INVOICE 2026-11-{number:03}")],
        )
    return write(build(_header(POWER, "0915"), [homes, firms]))


def corporate() -> bytes:
    """CTX credits with the invoices that they pay, and one that carries a credit note and no money."""
    batch = _batch("CTX", CHANDLERY, "SUPPLIERS")
    for number, firm in enumerate(_FIRMS[:6]):
        invoices = [remittance(f"RMR*IV*{number:02}{each:04}**{1_250 + each}.00\\") for each in range(2 + number)]
        batch.add(
            transaction_code=22,
            routing_number=firm.routing_number,
            account=firm.number,
            amount_cents=sum(1_250_00 + each * 1_00 for each in range(2 + number)),
            identification_number=f"REMIT{number:04}",
            receiving_company_name=firm.name,
            addenda=invoices,
        )
    firm = _FIRMS[6]
    batch.add(
        transaction_code=24,
        routing_number=firm.routing_number,
        account=firm.number,
        amount_cents=0,
        identification_number="REMIT0006",
        receiving_company_name=firm.name,
        addenda=[remittance("RMR*CM*CREDIT NOTE 0006**-80.00\\")],
    )
    return write(build(_header(CHANDLERY, "0930"), [batch]))


def web() -> bytes:
    """WEB debits of an online shop, single and recurring, that ask for settlement on the same day."""
    batch = _batch("WEB", SHOP, "PURCHASE", descriptive_date="SD1300")
    for number, person in enumerate(_PEOPLE[5:15]):
        batch.add(
            transaction_code=_code(person, is_debit=True),
            routing_number=person.routing_number,
            account=person.number,
            amount_cents=19_99 + number * 5_00,
            identification_number=f"ORDER{number:06}",
            individual_name=person.name,
            discretionary_data="R" if number % 3 == 0 else "S",
        )
    return write(build(_header(SHOP, "0945"), [batch]))


def international() -> bytes:
    """IAT credits that come in through a gateway, with their seven mandatory addenda and a correspondent bank."""
    batch = BatchBuilder(
        "IAT",
        odfi=GATEWAY.account.routing_number[:8],
        foreign_exchange_indicator="FF",
        foreign_exchange_reference_indicator=3,
        iso_destination_country_code="US",
        company_identification=GATEWAY.company_identification,
        company_entry_description="PENSION",
        iso_originating_currency_code="CAD",
        iso_destination_currency_code="USD",
        effective_entry_date=_EFFECTIVE,
    )
    for number, person in enumerate(_PEOPLE[:3]):
        batch.add(
            transaction_code=22,
            routing_number=person.routing_number,
            account=person.number,
            amount_cents=900_00 + number * 10_00,
            addenda=international_addenda(person, amount_cents=900_00 + number * 10_00),
        )
    return write(build(_header(GATEWAY, "1000"), [batch]))


def international_addenda(person: Account, *, amount_cents: int) -> list[Addendum]:
    """Addenda 10 to 18 of a pension from Canada."""
    tables = addenda_layouts
    return [
        Addendum(
            tables.ADDENDA_10,
            {"transaction_type_code": "PEN", "foreign_payment_amount": amount_cents, "receiving_name": person.name},
        ),
        Addendum(
            tables.ADDENDA_11,
            {"originator_name": "MAPLE PENSIONS", "originator_street_address": "1 TEST STREET"},
        ),
        Addendum(
            tables.ADDENDA_12,
            {"originator_city_state": "TORONTO*ON\\", "originator_country_postal_code": "CA*M5H2N2\\"},
        ),
        Addendum(
            tables.ADDENDA_13,
            {
                "originating_dfi_name": "MAPLE TEST BANK",
                "originating_dfi_id_qualifier": "01",
                "originating_dfi_identification": "000100001",
                "originating_dfi_branch_country_code": "CA",
            },
        ),
        Addendum(
            tables.ADDENDA_14,
            {
                "receiving_dfi_name": "ROPEWALK TEST BANK",
                "receiving_dfi_id_qualifier": "01",
                "receiving_dfi_identification": person.routing_number,
                "receiving_dfi_branch_country_code": "US",
            },
        ),
        Addendum(tables.ADDENDA_15, {"receiver_street_address": "2 HARBOR LANE"}),
        Addendum(
            tables.ADDENDA_16,
            {"receiver_city_state": "PORTLAND*ME\\", "receiver_country_postal_code": "US*04101\\"},
        ),
        Addendum(tables.ADDENDA_17, {"payment_related_information": "PENSION NOVEMBER 2026"}),
        Addendum(
            tables.ADDENDA_18,
            {
                "foreign_correspondent_bank_name": "BETWEEN TEST BANK",
                "foreign_correspondent_bank_qualifier": "02",
                "foreign_correspondent_bank_id": "TESTCATT",
                "foreign_correspondent_bank_country": "CA",
            },
        ),
    ]


def broken() -> bytes:
    """A payroll, wrong in three places: a check digit, an account left blank, and a batch total one cent off."""
    rows = np.frombuffer(payroll(created="0905"), np.uint8).reshape(-1, RECORD_LENGTH + 1).copy()
    entry = layouts.ENTRY
    digit = entry["check_digit"].start
    rows[4, digit] = ord("0") + (int(rows[4, digit]) - ord("0") + 1) % 10
    account = entry["dfi_account_number"]
    rows[7, account.start : account.stop] = ord(" ")
    control = int(np.flatnonzero(rows[:, 0] == ord("8"))[0])
    total = layouts.BATCH_CONTROL["total_credit_amount"]
    cents = rows[control : control + 1, total.start : total.stop]
    columns.put_numbers(cents, columns.numbers(cents) + np.uint64(1))
    return rows.tobytes()


SAMPLES: Final[dict[str, Callable[[], bytes]]] = {
    "payroll.ach": payroll,
    "utility.ach": utility,
    "corporate.ach": corporate,
    "web.ach": web,
    "international.ach": international,
    "broken.ach": broken,
}
"""The files of `examples/ach`, by name."""

_BULK_BATCH_ENTRIES: Final = 10_000
_BULK_FIRST_ACCOUNT: Final = 4_000_000_000
_BULK_AMOUNT_MIN_CENTS: Final = 1_00
_BULK_AMOUNT_STEPS: Final = 100_000


def bulk_accounts(count: int) -> list[Account]:
    """The accounts that `bulk(..., accounts=count)` pays, spread over the institutions."""
    return [
        Account(
            INSTITUTIONS[number % len(INSTITUTIONS)].routing_number,
            str(_BULK_FIRST_ACCOUNT + number),
            f"RECEIVER {number:07}",
            opening_cents=0,
        )
        for number in range(count)
    ]


def bulk(entries: int, *, accounts: int = 10_000) -> File:
    """A file of this many PPD credits, to that many accounts in turn: made at once, a million in about a second."""
    batches = [
        _bulk_batch(first, min(_BULK_BATCH_ENTRIES, entries - first), accounts=accounts)
        for first in range(0, entries, _BULK_BATCH_ENTRIES)
    ]
    count = 2 + sum(len(batch) for batch in batches)
    last = layouts.FILE_CONTROL.write({}) + PADDING * (-count % 10)
    edges = (np.frombuffer(each, np.uint8).reshape(-1, RECORD_LENGTH) for each in (_header(BULK, "1015"), last))
    head, tail = edges
    return balance(np.concatenate([head, *batches, tail]))


def _bulk_batch(first: int, count: int, *, accounts: int) -> Cells:
    builder = _batch("PPD", BULK, "BULK")
    head = builder.rows()[:1]
    control = np.frombuffer(EMPTY_BATCH_CONTROL, np.uint8).reshape(1, -1)
    table = layouts.ENTRY
    odfi = int(BULK.account.routing_number[:8])
    record = table.write({"transaction_code": 22, "individual_name": "RECEIVER", "trace_number": odfi * 10_000_000})
    rows = np.tile(np.frombuffer(record, np.uint8), (count, 1))
    number = np.arange(first, first + count, dtype=np.uint64)
    receiver = number % np.uint64(accounts)
    routing = np.array([int(bank.routing_number) for bank in INSTITUTIONS], np.uint64)
    # A multiplier that is prime to the number of steps visits every amount once before it repeats one.
    amount = number * np.uint64(7_919) % np.uint64(_BULK_AMOUNT_STEPS) + np.uint64(_BULK_AMOUNT_MIN_CENTS)
    routing_start = table["receiving_dfi_identification"].start
    account_start = table["dfi_account_number"].start
    name_start = table["individual_name"].start + len("RECEIVER ")
    identification_start = table["identification_number"].start
    amount_field = table["amount"]
    columns.put_numbers(rows[:, routing_start : routing_start + 9], routing[receiver % np.uint64(len(routing))])
    columns.put_numbers(rows[:, account_start : account_start + 10], receiver + np.uint64(_BULK_FIRST_ACCOUNT))
    columns.put_numbers(rows[:, amount_field.start : amount_field.stop], amount)
    columns.put_numbers(rows[:, identification_start : identification_start + 10], number)
    columns.put_numbers(rows[:, name_start : name_start + 7], receiver)
    columns.put_numbers(rows[:, RECORD_LENGTH - 7 :], number - np.uint64(first) + np.uint64(1))
    return np.concatenate((head, rows, control))
