"""The layouts are TigerBeetle's, byte for byte."""

import struct

import pytest

from ropewalk.systems.payments.ledger.layout import (
    ACCOUNT,
    ACCOUNT_FILTER,
    BALANCE,
    QUERY_FILTER,
    RESULT,
    TRANSFER,
    record_of,
    rows_of,
)

# The structs of src/tigerbeetle.zig as struct codes: QQ is a u128, Q a u64, I a u32, H a u16.
STRUCTS = {
    "account": (ACCOUNT, "<QQ QQ QQ QQ QQ QQ Q I I I H H Q"),
    "transfer": (TRANSFER, "<QQ QQ QQ QQ QQ QQ Q I I I H H Q"),
    "balance": (BALANCE, "<QQ QQ QQ QQ Q 56s"),
    "result": (RESULT, "<Q I I"),
    "account filter": (ACCOUNT_FILTER, "<QQ QQ Q I H 58s Q Q I I"),
    "query filter": (QUERY_FILTER, "<QQ Q I I H 6s Q Q I I"),
}


@pytest.mark.parametrize("name", STRUCTS)
def test_fields_lie_where_the_struct_has_them(name):
    dtype, code = STRUCTS[name]
    assert dtype.itemsize == struct.calcsize(code)
    letters = code.replace("<", "").replace(" ", "").replace("58s", "s").replace("56s", "s").replace("6s", "s")
    sizes = {"Q": 8, "I": 4, "H": 2}
    fields = list(dtype.fields.values())
    assert len(fields) == len(letters)
    assert [kind.itemsize for kind, *_ in fields] == [
        sizes.get(letter, kind.itemsize) for letter, (kind, *_) in zip(letters, fields, strict=True)
    ]
    assert [offset for _, offset, *_ in fields] == [
        sum(kind.itemsize for kind, *_ in fields[:place]) for place in range(len(fields))
    ]


def test_a_transfer_is_these_bytes():
    (row,) = rows_of(
        TRANSFER,
        [{"id": 2**100 + 1, "debit_account_id": 2, "credit_account_id": 3, "amount": 2**64 + 4, "pending_id": 5,
          "user_data_128": 6, "user_data_64": 7, "user_data_32": 8, "timeout": 9, "ledger": 10, "code": 11,
          "flags": 12, "timestamp": 13}],
    )  # fmt: skip
    wide = b"".join(value.to_bytes(16, "little") for value in (2**100 + 1, 2, 3, 2**64 + 4, 5, 6))
    assert row.tobytes() == wide + struct.pack("<QIIIHHQ", 7, 8, 9, 10, 11, 12, 13)
    assert record_of(row)["id"] == 2**100 + 1
    assert record_of(row)["timestamp"] == 13
