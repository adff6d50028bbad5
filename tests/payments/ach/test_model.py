"""What can be asked of a file that was read."""

from ropewalk.systems.payments.ach import Category, File, read
from tests.payments.ach.files import BASES, RDFI, TRACE


def _file(name: str) -> File:
    file = read(BASES[name]()).file
    assert file is not None
    return file


def test_records_are_read_by_name() -> None:
    file = _file("CTX")
    assert file.header["immediate_origin"] == "1990000001"
    assert file.control.number("total_credit_amount") == 1_000
    batch = file.batches[0]
    assert (batch.entry_class, batch.header["company_name"]) == ("CTX", "ROPE WORKS")
    assert batch.control.number("entry_addenda_count") == 6
    assert file.record(3)["receiving_company_name"] == "TEST FIRM"
    assert file.record(4).values()["payment_related_information"] == "A"


def test_entries_are_columns() -> None:
    entry = _file("CCD").entries[1]
    assert entry["line"] == 5
    assert entry["transaction_code"] == 27
    assert entry["rdfi"] == int(RDFI[:8])
    assert entry["check_digit"] == int(RDFI[8])
    assert entry["account"] == b"12345"
    assert entry["amount_cents"] == 500
    assert (entry["individual_id"], entry["name"]) == (b"ID 7", b"ADA TESTER")
    assert entry["trace"] == TRACE + 1
    assert (entry["addenda_first"], entry["addenda_count"]) == (6, 1)


def test_batches_share_the_entries_of_the_file() -> None:
    file = _file("utility.ach")
    assert [len(batch.entries) for batch in file.batches] == [20, 8]
    assert [batch.entry_class for batch in file.batches[:2]] == ["PPD", "CCD"]
    assert sum(int(batch.columns["debit_cents"]) for batch in file.batches) == int(file.entries["amount_cents"].sum())


def test_addenda_are_read_by_their_own_layouts() -> None:
    file = _file("contested")
    (addenda,) = file.addenda(file.entries[0])
    assert addenda.layout.name == "addenda_99_contested"
    assert (addenda["return_reason_code"], addenda.number("original_entry_trace_number")) == ("R73", TRACE)
    assert [record.layout.name for record in _file("IAT").addenda(_file("IAT").entries[0])] == [
        f"addenda_{number}" for number in range(10, 19)
    ]


def test_an_entry_is_what_its_addenda_say() -> None:
    for name, category in (
        ("PPD", Category.FORWARD),
        ("COR", Category.NOTIFICATION),
        ("refused-change", Category.REFUSED_NOTIFICATION),
        ("return", Category.RETURN),
        ("dishonored", Category.DISHONORED),
        ("contested", Category.CONTESTED),
        ("returned-iat", Category.RETURN),
    ):
        assert set(_file(name).entries["category"].tolist()) == {category}


def test_a_file_out_of_order_has_problems_but_no_model() -> None:
    reading = read(BASES["PPD"]().replace(b"\n5", b"\n4", 1))
    assert reading.file is None
    assert reading.errors
