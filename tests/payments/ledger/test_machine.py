"""The ledger as a machine: bytes in, bytes out, and requests that stay apart."""

import struct

import pytest

from ropewalk.core.chain import Position
from ropewalk.core.machine import NO_ID, Batch, Request
from ropewalk.engines.memory import MemoryShelf
from ropewalk.errors import Damaged, Rejected
from ropewalk.systems.payments.ledger.commands import Operation, decode_reply, encode
from ropewalk.systems.payments.ledger.layout import (
    ACCOUNT,
    ACCOUNT_FILTER,
    QUERY_FILTER,
    TRANSFER,
    ids_of,
    record_of,
    rows_of,
)
from ropewalk.systems.payments.ledger.machine import LedgerMachine
from ropewalk.systems.payments.ledger.statuses import TransferStatus

SECOND_NS = 1_000_000_000


def transfers(*given: dict[str, int]) -> bytes:
    common = {"debit_account_id": 1, "credit_account_id": 2, "amount": 1, "ledger": 1, "code": 1}
    return encode(Operation.CREATE_TRANSFERS, rows_of(TRANSFER, [common | each for each in given]))


def accounts(*ids: int, flags: int = 0) -> bytes:
    return encode(
        Operation.CREATE_ACCOUNTS, rows_of(ACCOUNT, [{"id": n, "ledger": 1, "code": 1, "flags": flags} for n in ids])
    )


def opened() -> LedgerMachine:
    machine = LedgerMachine(MemoryShelf())
    ask(machine, accounts(1, 2, flags=8), time_ns=10)
    return machine


def ask(machine: LedgerMachine, *commands: bytes, time_ns: int = 100) -> list[list[str]]:
    """The names of the statuses, request by request."""
    outcome = machine.apply(Batch(Position(1), time_ns, [Request(NO_ID, command) for command in commands]))
    replies = [decode_reply(Operation.CREATE_TRANSFERS, reply) for reply in outcome.replies]
    return [[TransferStatus(int(row["status"])).name.lower() for row in reply] for reply in replies]


def test_each_request_of_a_batch_gets_its_own_results():
    answers = ask(opened(), transfers({"id": 1}, {"id": 2}), transfers({"id": 1}), accounts(3), transfers({"id": 3}))
    assert answers == [["created", "created"], ["exists"], ["created"], ["created"]]


def test_a_chain_does_not_cross_into_the_next_request():
    machine = opened()
    answers = ask(
        machine, transfers({"id": 1}, {"id": 2, "flags": 1}), transfers({"id": 3}), transfers({"id": 4, "flags": 1})
    )
    assert answers == [["created", "linked_event_chain_open"], ["created"], ["linked_event_chain_open"]]


def test_imports_are_a_matter_of_one_request():
    machine = opened()
    answers = ask(machine, transfers({"id": 1, "flags": 256, "timestamp": 50}, {"id": 9}), transfers({"id": 2}))
    assert answers == [["created", "imported_event_expected"], ["created"]]


def test_timestamps_rise_even_if_the_clock_does_not():
    machine = opened()
    for time_ns in (100, 100, 7):
        ask(machine, transfers({"id": time_ns * 1_000 + machine.ledger.last_timestamp}), time_ns=time_ns)
    query = encode(Operation.QUERY_TRANSFERS, rows_of(QUERY_FILTER, [{"limit": 10}]))
    rows = decode_reply(Operation.QUERY_TRANSFERS, machine.read(query))
    assert rows["timestamp"].tolist() == [100, 101, 102]


def test_the_machine_wakes_when_a_pending_transfer_expires():
    machine = opened()
    pending = transfers({"id": 1, "flags": 2, "timeout": 3})
    outcome = machine.apply(Batch(Position(1), 100, [Request(NO_ID, pending)]))
    assert outcome.wakes_at_ns == 100 + 3 * SECOND_NS
    outcome = machine.apply(Batch(Position(2), outcome.wakes_at_ns, []))
    assert outcome.wakes_at_ns is None
    rows = decode_reply(Operation.LOOKUP_ACCOUNTS, machine.read(encode(Operation.LOOKUP_ACCOUNTS, ids_of([1]))))
    assert record_of(rows[0])["debits_pending"] == 0


def test_every_query_is_answered_with_rows():
    machine = opened()
    ask(machine, transfers({"id": 1, "user_data_64": 7}, {"id": 2}))
    of_account = rows_of(ACCOUNT_FILTER, [{"account_id": 1, "limit": 10, "flags": 3}])
    with_data = rows_of(QUERY_FILTER, [{"user_data_64": 7, "limit": 10}])
    everything = rows_of(QUERY_FILTER, [{"limit": 10}])
    asked = [
        (Operation.LOOKUP_ACCOUNTS, ids_of([2, 9, 1]), 2),
        (Operation.LOOKUP_TRANSFERS, ids_of([2, 9]), 1),
        (Operation.GET_ACCOUNT_TRANSFERS, of_account, 2),
        (Operation.GET_ACCOUNT_BALANCES, of_account, 2),
        (Operation.QUERY_ACCOUNTS, everything, 2),
        (Operation.QUERY_TRANSFERS, with_data, 1),
    ]
    for operation, rows, expected in asked:
        assert decode_reply(operation, machine.read(encode(operation, rows))).size == expected, operation.name


@pytest.mark.parametrize(
    "command",
    [b"", b"\x00", bytes([Operation.CREATE_TRANSFERS]), bytes([Operation.CREATE_TRANSFERS]) + bytes(127),
     bytes([Operation.CREATE_TRANSFERS]) + bytes(128 * 8_191), encode(Operation.LOOKUP_ACCOUNTS, ids_of([1]))],
    ids=["empty", "unknown", "no rows", "half a row", "too many", "a query"],
)  # fmt: skip
def test_what_is_no_command_is_refused_before_the_log(command):
    machine = opened()
    with pytest.raises(Rejected):
        machine.vet(command)
    with pytest.raises(Damaged, match="position 4"):
        machine.apply(Batch(Position(4), 5, [Request(NO_ID, command)]))


def test_a_command_is_no_query():
    with pytest.raises(Rejected):
        opened().read(transfers({"id": 1}))


def test_a_request_takes_8190_rows():
    machine = opened()
    most = transfers(*({"id": n} for n in range(1, 8_191)))
    assert len(most) == 1 + 128 * 8_190
    machine.vet(most)
    with pytest.raises(Rejected, match="8190"):
        transfers(*({"id": n} for n in range(1, 8_192)))


def test_a_saved_machine_goes_on_as_the_same():
    shelf = MemoryShelf()
    machine = LedgerMachine(shelf)
    ask(machine, accounts(1, 2), transfers({"id": 1, "flags": 2, "timeout": 1}))
    loaded = LedgerMachine(shelf)
    loaded.load({name: bytes(part) for name, part in machine.save().parts.items()})
    assert loaded.digest() == machine.digest()
    for each in (machine, loaded):
        ask(each, transfers({"id": 2}), time_ns=2 * SECOND_NS)
        each.check()
    assert loaded.digest() == machine.digest()


def test_a_reply_is_a_timestamp_and_a_status():
    (reply,) = opened().apply(Batch(Position(1), 100, [Request(NO_ID, transfers({"id": 1}))])).replies
    assert reply == struct.pack("<QII", 100, TransferStatus.CREATED, 0)
