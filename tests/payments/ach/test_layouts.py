"""The tables of fields: positions as the standard prints them, and writing by them."""

import pytest

from ropewalk.errors import Bug
from ropewalk.systems.payments.ach import addenda_layouts, layouts
from ropewalk.systems.payments.ach.layout import RECORD_LENGTH, Layout

ALL = [value for module in (layouts, addenda_layouts) for value in vars(module).values() if isinstance(value, Layout)]

PRINTED = [
    (layouts.FILE_HEADER, "file_id_modifier", 34, 34),
    (layouts.FILE_HEADER, "reference_code", 87, 94),
    (layouts.BATCH_HEADER, "standard_entry_class_code", 51, 53),
    (layouts.BATCH_HEADER, "originating_dfi_identification", 80, 87),
    (layouts.IAT_BATCH_HEADER, "iso_destination_country_code", 39, 40),
    (layouts.ENTRY, "amount", 30, 39),
    (layouts.CORPORATE_ENTRY, "number_of_addenda_records", 55, 58),
    (layouts.PURCHASE_ENTRY, "terminal_city", 49, 52),
    (layouts.SHARED_NETWORK_ENTRY, "document_reference_number", 44, 54),
    (layouts.TRUNCATED_ENTRY, "item_research_number", 61, 76),
    (layouts.IAT_ENTRY, "dfi_account_number", 40, 74),
    (layouts.ADV_ENTRY, "amount", 28, 39),
    (layouts.ADV_ENTRY, "julian_day", 88, 90),
    (layouts.BATCH_CONTROL, "total_debit_amount", 21, 32),
    (layouts.ADV_BATCH_CONTROL, "total_credit_amount", 41, 60),
    (layouts.FILE_CONTROL, "entry_hash", 22, 31),
    (layouts.ADV_FILE_CONTROL, "total_debit_amount", 32, 51),
    (addenda_layouts.ADDENDA_02, "terminal_location", 36, 62),
    (addenda_layouts.ADDENDA_05, "addenda_sequence_number", 84, 87),
    (addenda_layouts.ADDENDA_10, "receiving_name", 47, 81),
    (addenda_layouts.ADDENDA_13, "originating_dfi_branch_country_code", 75, 77),
    (addenda_layouts.ADDENDA_98, "corrected_data", 36, 64),
    (addenda_layouts.ADDENDA_98_REFUSED, "trace_sequence_number", 68, 74),
    (addenda_layouts.ADDENDA_99, "date_of_death", 22, 27),
    (addenda_layouts.ADDENDA_99_DISHONORED, "return_trace_number", 39, 53),
    (addenda_layouts.ADDENDA_99_CONTESTED, "dishonored_return_trace_number", 59, 73),
]


@pytest.mark.parametrize(("layout", "name", "first", "last"), PRINTED)
def test_a_field_lies_where_the_standard_prints_it(layout: Layout, name: str, first: int, last: int) -> None:
    assert (layout[name].start + 1, layout[name].stop) == (first, last)


@pytest.mark.parametrize("layout", ALL, ids=repr)
def test_an_empty_record_has_94_characters_and_its_literals(layout: Layout) -> None:
    record = layout.write({})
    assert len(record) == RECORD_LENGTH
    assert record.isascii()
    assert [layout.field_at(column).name for column in (0, 93)] == [layout.fields[0].name, layout.fields[-1].name]


def test_numbers_are_filled_with_zeros_and_text_with_blanks() -> None:
    record = layouts.ENTRY.write({"amount": 125, "individual_name": "ADA"})
    assert record[29:39] == b"0000000125"
    assert record[54:76] == b"ADA".ljust(22)


@pytest.mark.parametrize("values", [{"amount": 10**10}, {"individual_name": "X" * 23}, {"amont": 1}, {"amount": "é"}])
def test_a_value_that_does_not_fit_is_a_bug_of_the_caller(values: dict[str, str | int]) -> None:
    with pytest.raises(Bug):
        layouts.ENTRY.write(values)


def test_a_table_that_does_not_cover_a_record_is_refused() -> None:
    with pytest.raises(Bug, match="covers a record"):
        Layout("short", "record_type 1 =1")
