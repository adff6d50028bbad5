"""Small valid files to start tests from: one of each entry class, and of each kind of return."""

from collections.abc import Callable
from typing import Final

import numpy as np

from ropewalk.systems.payments.ach import BatchBuilder, addenda_layouts, build, header, write
from ropewalk.systems.payments.ach.balance import balance
from ropewalk.systems.payments.ach.building import (
    Addendum,
    Value,
    contested,
    corrected,
    dishonored,
    refused,
    remittance,
    returned,
)
from ropewalk.systems.payments.ach.layout import RECORD_LENGTH
from ropewalk.systems.payments.ach.samples import ACCOUNTS, CORDAGE, OPERATOR, SAMPLES, international_addenda

ODFI: Final = "99100012"
TRACE: Final = 991000120000001
RDFI: Final = CORDAGE.routing_number

_HEADER: Final = header(
    destination=OPERATOR.routing_number, origin="1990000001", creation_date="261124", creation_time="1015"
)
_NAMED: Final[dict[str, Value]] = {"individual_name": "ADA TESTER", "identification_number": "ID 7"}
_INTERNATIONAL: Final[dict[str, Value]] = {
    "company_identification": "1990000001",
    "company_entry_description": "PENSION",
    "foreign_exchange_indicator": "FF",
    "foreign_exchange_reference_indicator": 3,
    "iso_destination_country_code": "US",
    "iso_originating_currency_code": "CAD",
    "iso_destination_currency_code": "USD",
}
_TERMINAL: Final = Addendum(
    addenda_layouts.ADDENDA_02,
    {
        "transaction_serial_number": "000001",
        "transaction_date": "1124",
        "terminal_location": "321 MARKET STREET",
        "terminal_city": "PORTLAND",
        "terminal_state": "ME",
    },
)
_CHECK: Final[dict[str, Value]] = {"check_serial_number": "1001"}
_CORPORATE: Final[dict[str, Value]] = {"receiving_company_name": "TEST FIRM"}
_TRUNCATED: Final[dict[str, Value]] = {
    "check_serial_number": "1001",
    "process_control_field": "P1",
    "item_research_number": "R1",
}


def _file(
    entry_class: str,
    code: int,
    cents: int,
    *,
    fields: dict[str, Value] = _NAMED,
    addenda: list[Addendum] | None = None,
    batch: dict[str, Value] | None = None,
    entries: int = 2,
) -> bytes:
    """A file of one batch with `entries` like entries."""
    usual: dict[str, Value] = {
        "company_name": "ROPE WORKS",
        "company_identification": "1990000001",
        "company_entry_description": "TEST",
        "effective_entry_date": "261125",
    }
    builder = BatchBuilder(
        entry_class, odfi=ODFI, **({**usual, **(batch or {})} if not _is_iat(batch) else batch or {})
    )
    for _ in range(entries):
        builder.add(
            transaction_code=code,
            routing_number=RDFI,
            account="12345",
            amount_cents=cents,
            addenda=addenda or [],
            **fields,
        )
    return write(build(_HEADER, [builder]))


def _is_iat(batch: dict[str, Value] | None) -> bool:
    return batch is not None and "foreign_exchange_indicator" in batch


def _adv() -> bytes:
    builder = BatchBuilder(
        "ADV",
        odfi=ODFI,
        company_name="OPERATOR",
        company_identification="1990000001",
        company_entry_description="ADVICES",
        originator_status_code=0,
    )
    for number, code in enumerate((81, 82), start=1):
        builder.add(
            transaction_code=code,
            routing_number=RDFI,
            account="12345",
            amount_cents=1_00,
            advice_routing_number=RDFI,
            individual_name="CORDAGE",
            ach_operator_routing_number="99000001",
            julian_day=328,
            sequence_number=number,
        )
    return write(build(_HEADER, [builder]))


_RETURN: Final = returned("R01", trace=TRACE, rdfi=int(RDFI[:8]))
_DISHONORED: Final = dishonored("R68", trace=TRACE, rdfi=int(RDFI[:8]), return_trace=TRACE, return_reason="R01")
_CONTESTED: Final = contested(
    "R73",
    trace=TRACE,
    rdfi=int(RDFI[:8]),
    return_trace=TRACE,
    return_reason="R01",
    dishonored_trace=TRACE,
    dishonored_reason="R68",
)
_CHANGE: Final = corrected("C01", trace=TRACE, rdfi=int(RDFI[:8]), data="54321")
_REFUSAL: Final = refused(
    "C62", trace=TRACE, rdfi=int(RDFI[:8]), data="54321", change_code="C01", notification_sequence=1
)
_FOREIGN: Final = international_addenda(ACCOUNTS[0], amount_cents=5_00)

BASES: Final[dict[str, Callable[[], bytes]]] = {
    **SAMPLES,
    "ACK": lambda: _file("ACK", 24, 0),
    "ADV": _adv,
    "ARC": lambda: _file("ARC", 27, 5_00, fields=_CHECK),
    "ATX": lambda: _file("ATX", 24, 0, fields=_CORPORATE, addenda=[remittance("A"), remittance("B")]),
    "BOC": lambda: _file("BOC", 27, 5_00, fields=_CHECK),
    "CCD": lambda: _file("CCD", 27, 5_00, addenda=[remittance("INVOICE 1")]),
    "CIE": lambda: _file("CIE", 22, 5_00),
    "COR": lambda: _file("COR", 21, 0, addenda=[_CHANGE]),
    "CTX": lambda: _file("CTX", 22, 5_00, fields=_CORPORATE, addenda=[remittance("A"), remittance("B")]),
    "DNE": lambda: _file("DNE", 23, 0, addenda=[remittance("DEATH")], batch={"originator_status_code": 2}),
    "ENR": lambda: _file(
        "ENR",
        23,
        0,
        addenda=[remittance("22*99200023*1*1*1*DOE*JO*0\\")],
        batch={"company_entry_description": "AUTOENROLL", "effective_entry_date": ""},
    ),
    "IAT": lambda: _file("IAT", 22, 5_00, fields={}, addenda=_FOREIGN, batch=_INTERNATIONAL),
    "MTE": lambda: _file("MTE", 27, 5_00, addenda=[_TERMINAL]),
    "POP": lambda: _file(
        "POP", 27, 5_00, fields={"check_serial_number": "1001", "terminal_city": "PORT", "terminal_state": "ME"}
    ),
    "POS": lambda: _file("POS", 27, 5_00, fields={**_NAMED, "discretionary_data": "01"}, addenda=[_TERMINAL]),
    "PPD": lambda: _file("PPD", 22, 5_00),
    "RCK": lambda: _file("RCK", 27, 5_00, fields=_CHECK, batch={"company_entry_description": "REDEPCHECK"}),
    "SHR": lambda: _file(
        "SHR",
        27,
        5_00,
        fields={
            "card_expiration_date": "1228",
            "document_reference_number": "77",
            "individual_card_account_number": "4000",
            "card_transaction_type_code": "01",
        },
        addenda=[_TERMINAL],
    ),
    "TEL": lambda: _file("TEL", 27, 5_00, fields={**_NAMED, "discretionary_data": "S"}),
    "TRC": lambda: _file("TRC", 27, 5_00, fields=_TRUNCATED),
    "TRX": lambda: _file("TRX", 27, 5_00, fields=_CORPORATE, addenda=[remittance("A")]),
    "WEB": lambda: _file("WEB", 27, 5_00, fields={**_NAMED, "discretionary_data": "R"}),
    "XCK": lambda: _file("XCK", 27, 5_00, fields=_TRUNCATED),
    "prenote": lambda: _file("PPD", 28, 0),
    "zero-dollar": lambda: _file("CCD", 24, 0, addenda=[remittance("CREDIT NOTE")]),
    "reversal": lambda: _file(
        "TEL",
        22,
        5_00,
        fields={**_NAMED, "discretionary_data": "S"},
        batch={"company_entry_description": "REVERSAL"},
    ),
    "same-day": lambda: _file("PPD", 22, 5_00, batch={"company_descriptive_date": "SD1300"}),
    "return": lambda: _file("PPD", 26, 5_00, addenda=[_RETURN]),
    "returned-prenote": lambda: _file("PPD", 21, 0, addenda=[_RETURN]),
    "returned-ctx": lambda: _file(
        "CTX", 21, 5_00, fields={**_CORPORATE, "number_of_addenda_records": 2}, addenda=[_RETURN]
    ),
    "dishonored": lambda: _file("PPD", 26, 5_00, addenda=[_DISHONORED]),
    "contested": lambda: _file("PPD", 26, 5_00, addenda=[_CONTESTED]),
    "refused-change": lambda: _file("COR", 21, 0, addenda=[_REFUSAL]),
    "returned-iat": lambda: _file("IAT", 21, 5_00, fields={}, addenda=[*_FOREIGN[:7], _RETURN], batch=_INTERNATIONAL),
    "changed-iat": lambda: _file(
        "COR", 21, 0, fields={}, addenda=[*_FOREIGN[:7], _CHANGE], batch={**_INTERNATIONAL, "iat_indicator": "IATCOR"}
    ),
}
"""Every base by its name."""


def rebalanced(content: bytes) -> bytes:
    """The file with its controls computed again, so that only what was edited is wrong."""
    rows = np.frombuffer(content, np.uint8).reshape(-1, RECORD_LENGTH + 1)[:, :RECORD_LENGTH].copy()
    return write(balance(rows))
