"""Files from code: describe the batches and their entries; counts, hashes, totals and trace numbers are computed.

    payroll = BatchBuilder("PPD", company_name="ROPE WORKS", company_identification="1234567890", ...)
    payroll.add(transaction_code=22, routing_number="091000019", account="1001", amount_cents=250_000,
                individual_name="ADA")
    file = build(header(destination="...", origin="...", ...), [payroll])

Not given:  that the result is valid: values are written as they are, so `read(write(file))` says whether they may be.
Checked by: tests/payments/ach/test_building.py, test_properties.py
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from ropewalk.systems.payments.ach import addenda_layouts, codes
from ropewalk.systems.payments.ach.balance import EMPTY_ADV_BATCH_CONTROL, EMPTY_BATCH_CONTROL, assemble
from ropewalk.systems.payments.ach.codes import CLASS_CODES, Side
from ropewalk.systems.payments.ach.columns import Cells
from ropewalk.systems.payments.ach.entries import TRACE_SEQUENCE
from ropewalk.systems.payments.ach.layout import RECORD_LENGTH, Layout
from ropewalk.systems.payments.ach.layouts import FILE_HEADER
from ropewalk.systems.payments.ach.model import File
from ropewalk.systems.payments.ach.records import batch_header_layout, entry_layout

Value = str | int


class Addendum(NamedTuple):
    """An addenda record to be: its numbers and trace number are filled in."""

    layout: Layout
    values: dict[str, Value]


def remittance(text: str) -> Addendum:
    """Addenda 05: what a payment is for."""
    return Addendum(addenda_layouts.ADDENDA_05, {"payment_related_information": text})


def returned(reason: str, *, trace: int, rdfi: int, information: str = "", date_of_death: str = "") -> Addendum:
    """Addenda 99: the entry with this trace number comes back. `rdfi`: the eight digits of who was to receive it."""
    return Addendum(
        addenda_layouts.ADDENDA_99,
        {
            "return_reason_code": reason,
            "original_entry_trace_number": trace,
            "date_of_death": date_of_death,
            "original_receiving_dfi_identification": rdfi,
            "addenda_information": information,
        },
    )


def dishonored(
    reason: str, *, trace: int, rdfi: int, return_trace: int, return_reason: str, return_settlement_day: int = 1
) -> Addendum:
    """Addenda 99: the originating bank does not honor a return. A settlement day is the day of the year, 1 to 366."""
    return Addendum(
        addenda_layouts.ADDENDA_99_DISHONORED,
        {
            "return_reason_code": reason,
            "original_entry_trace_number": trace,
            "original_receiving_dfi_identification": rdfi,
            "return_trace_number": return_trace,
            "return_settlement_date": return_settlement_day,
            "dishonored_return_reason_code": return_reason[1:],
        },
    )


def contested(
    reason: str,
    *,
    trace: int,
    rdfi: int,
    return_trace: int,
    return_reason: str,
    dishonored_trace: int,
    dishonored_reason: str,
) -> Addendum:
    """Addenda 99: the receiving bank contests that its return was not honored."""
    return Addendum(
        addenda_layouts.ADDENDA_99_CONTESTED,
        {
            "return_reason_code": reason,
            "original_entry_trace_number": trace,
            "original_receiving_dfi_identification": rdfi,
            "return_trace_number": return_trace,
            "return_reason": return_reason[1:],
            "dishonored_return_trace_number": dishonored_trace,
            "dishonored_return_reason_code": dishonored_reason[1:],
        },
    )


def corrected(change_code: str, *, trace: int, rdfi: int, data: str) -> Addendum:
    """Addenda 98: what the receiving bank wants changed in later entries."""
    return Addendum(
        addenda_layouts.ADDENDA_98,
        {
            "change_code": change_code,
            "original_entry_trace_number": trace,
            "original_receiving_dfi_identification": rdfi,
            "corrected_data": data,
        },
    )


def refused(
    refused_code: str, *, trace: int, rdfi: int, data: str, change_code: str, notification_sequence: int
) -> Addendum:
    """Addenda 98: the originating bank refuses a notification of change, named by the end of its trace number."""
    return Addendum(
        addenda_layouts.ADDENDA_98_REFUSED,
        {
            "refused_change_code": refused_code,
            "original_entry_trace_number": trace,
            "original_receiving_dfi_identification": rdfi,
            "corrected_data": data,
            "change_code": change_code,
            "trace_sequence_number": notification_sequence,
        },
    )


def header(*, destination: str, origin: str, creation_date: str, creation_time: str = "", **names: Value) -> bytes:
    """A file header. Routing numbers have nine digits, a date is YYMMDD, a time HHMM; `names` are the layout's."""
    return FILE_HEADER.write(
        {
            "immediate_destination": destination.rjust(10),
            "immediate_origin": origin.rjust(10),
            "file_creation_date": creation_date,
            "file_creation_time": creation_time,
            "file_id_modifier": "A",
            **names,
        }
    )


class BatchBuilder:
    """One batch: `odfi` is the eight digits of the originating institution; `fields` are named by the layout."""

    def __init__(self, entry_class: str, *, odfi: str, first_sequence: int = 1, **fields: Value) -> None:
        self.entry_class: Final = entry_class
        self._is_iat = entry_class == "IAT" or fields.get("iat_indicator") == "IATCOR"
        self._fields = {
            "standard_entry_class_code": entry_class,
            "originating_dfi_identification": odfi,
            "originator_status_code": 1,
            **fields,
        }
        self._layout = entry_layout(CLASS_CODES.index(entry_class), is_iat=self._is_iat)
        self._odfi = int(odfi)
        self._sequence = first_sequence
        self._sides: set[Side] = set()
        self._records: list[bytes] = []

    def __len__(self) -> int:
        """How many entries and addenda it has."""
        return len(self._records)

    def add(
        self,
        *,
        transaction_code: int,
        routing_number: str,
        account: str,
        amount_cents: int,
        addenda: Sequence[Addendum] = (),
        **fields: Value,
    ) -> int:
        """Add an entry for the account at the institution of this nine-digit number; return its trace number."""
        trace = self._odfi * TRACE_SEQUENCE + self._sequence
        self._sequence += 1
        self._sides.add(codes.TRANSACTION_CODES[transaction_code][0])
        values: dict[str, Value] = {
            "transaction_code": transaction_code,
            "receiving_dfi_identification": routing_number[:8],
            "check_digit": routing_number[8:],
            "dfi_account_number": account,
            "amount": amount_cents,
            "addenda_record_indicator": 1 if addenda else 0,
            **fields,
        }
        if "trace_number" in self._layout:
            values.setdefault("trace_number", trace)
        if "number_of_addenda_records" in self._layout:
            values.setdefault("number_of_addenda_records", len(addenda))
        self._records.append(self._layout.write(values))
        self._add_addenda(addenda, trace)
        return trace

    def _add_addenda(self, addenda: Sequence[Addendum], trace: int) -> None:
        numbers: dict[str, int] = {}
        for layout, values in addenda:
            number = numbers[layout.name] = numbers.get(layout.name, 0) + 1
            computed: dict[str, Value] = {
                "trace_number": trace,
                "entry_detail_sequence_number": trace % TRACE_SEQUENCE,
                "addenda_sequence_number": number,
            }
            own = {name: value for name, value in computed.items() if name in layout}
            self._records.append(layout.write({**own, **values}))

    def rows(self) -> Cells:
        """Its records, from its header to an empty control."""
        fields = dict(self._fields)
        fields.setdefault("service_class_code", self._service_class())
        head = batch_header_layout(is_iat=self._is_iat).write(fields)
        control = EMPTY_ADV_BATCH_CONTROL if self.entry_class == "ADV" else EMPTY_BATCH_CONTROL
        records = b"".join([head, *self._records, control])
        return np.frombuffer(records, np.uint8).reshape(-1, RECORD_LENGTH)

    def _service_class(self) -> int:
        if self.entry_class == "ADV":
            return codes.ADVICES
        if len(self._sides) == 2:
            return codes.MIXED
        return codes.DEBITS_ONLY if Side.DEBIT in self._sides else codes.CREDITS_ONLY


def build(file_header: bytes, batches: Sequence[BatchBuilder]) -> File:
    """The file of these batches."""
    is_adv = bool(batches) and batches[0].entry_class == "ADV"
    return assemble(file_header, [batch.rows() for batch in batches], is_adv=is_adv)
