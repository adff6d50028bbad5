"""Building files: what is computed, and every kind of addenda."""

from ropewalk.systems.payments.ach import BatchBuilder, Code, build, header, read, write
from ropewalk.systems.payments.ach.balance import balance
from tests.payments.ach.files import BASES, ODFI, RDFI, TRACE

HEADER = header(destination=RDFI, origin="1990000001", creation_date="261124")


def _builder(entry_class: str = "PPD", **fields: str) -> BatchBuilder:
    return BatchBuilder(
        entry_class,
        odfi=ODFI,
        company_name="ROPE WORKS",
        company_identification="1990000001",
        company_entry_description="TEST",
        **fields,
    )


def _add(builder: BatchBuilder, code: int, cents: int) -> int:
    return builder.add(
        transaction_code=code, routing_number=RDFI, account="1", amount_cents=cents, individual_name="ADA"
    )


def test_trace_numbers_count_up_from_the_originating_bank() -> None:
    builder = _builder()
    assert [_add(builder, 22, 1) for _ in range(3)] == [TRACE, TRACE + 1, TRACE + 2]
    assert len(builder) == 3


def test_the_service_class_follows_from_the_sides() -> None:
    for codes, expected in (([22, 32], 220), ([27], 225), ([22, 27], 200)):
        builder = _builder()
        for code in codes:
            _add(builder, code, 1)
        file = build(HEADER, [builder])
        assert file.batch_columns["service_class"].tolist() == [expected]


def test_batches_are_numbered_and_totals_computed() -> None:
    first, second = _builder(), _builder()
    _add(first, 22, 150)
    _add(second, 27, 75)
    reading = read(write(build(HEADER, [first, second])))
    assert reading.errors == []
    assert reading.file is not None
    assert reading.file.batch_columns["number"].tolist() == [1, 2]
    assert (reading.debit_cents, reading.credit_cents) == (75, 150)


def test_balancing_a_balanced_file_changes_nothing() -> None:
    for name in sorted(set(BASES) - {"broken.ach"}):
        file = read(BASES[name]()).file
        assert file is not None
        assert write(balance(file.rows.copy())) == write(file)


def test_advices_do_not_share_a_file_with_others() -> None:
    advices = BASES["ADV"]().splitlines(keepends=True)
    payments = BASES["PPD"]().splitlines(keepends=True)
    mixed = b"".join([*payments[:5], *advices[1:5], *payments[5:]])
    assert Code.ADV_MIXED in {problem.code for problem in read(mixed).errors}
