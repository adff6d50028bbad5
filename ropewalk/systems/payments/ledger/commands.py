"""How a ledger is asked: one byte for the operation, and then rows; the reply is rows.

The operations have TigerBeetle's numbers. Two create and are commands of the log; the others only look and are
queries.

    operation                   rows sent            rows of the reply
    CREATE_ACCOUNTS             ACCOUNT              RESULT, one each
    CREATE_TRANSFERS            TRANSFER             RESULT, one each
    LOOKUP_ACCOUNTS             ID                   ACCOUNT
    LOOKUP_TRANSFERS            ID                   TRANSFER
    GET_ACCOUNT_TRANSFERS       one ACCOUNT_FILTER   TRANSFER
    GET_ACCOUNT_BALANCES        one ACCOUNT_FILTER   BALANCE
    QUERY_ACCOUNTS              one QUERY_FILTER     ACCOUNT
    QUERY_TRANSFERS             one QUERY_FILTER     TRANSFER

Checked by: tests/payments/ledger/test_machine.py
"""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from ropewalk.errors import Rejected
from ropewalk.systems.payments.ledger.layout import (
    ACCOUNT,
    ACCOUNT_FILTER,
    BALANCE,
    ID,
    QUERY_FILTER,
    RESULT,
    TRANSFER,
    Rows,
)
from ropewalk.systems.payments.ledger.limits import ROWS_MAX


class Operation(IntEnum):
    """What is asked of a ledger."""

    LOOKUP_ACCOUNTS = 140
    LOOKUP_TRANSFERS = 141
    GET_ACCOUNT_TRANSFERS = 142
    GET_ACCOUNT_BALANCES = 143
    QUERY_ACCOUNTS = 144
    QUERY_TRANSFERS = 145
    CREATE_ACCOUNTS = 146
    CREATE_TRANSFERS = 147


class Shape(NamedTuple):
    """The rows that an operation takes, how many at most, and the rows that it answers with."""

    sent: np.dtype[np.void]
    rows_max: int
    answered: np.dtype[np.void]


COMMANDS: Final = {
    Operation.CREATE_ACCOUNTS: Shape(ACCOUNT, ROWS_MAX, RESULT),
    Operation.CREATE_TRANSFERS: Shape(TRANSFER, ROWS_MAX, RESULT),
}

QUERIES: Final = {
    Operation.LOOKUP_ACCOUNTS: Shape(ID, ROWS_MAX, ACCOUNT),
    Operation.LOOKUP_TRANSFERS: Shape(ID, ROWS_MAX, TRANSFER),
    Operation.GET_ACCOUNT_TRANSFERS: Shape(ACCOUNT_FILTER, 1, TRANSFER),
    Operation.GET_ACCOUNT_BALANCES: Shape(ACCOUNT_FILTER, 1, BALANCE),
    Operation.QUERY_ACCOUNTS: Shape(QUERY_FILTER, 1, ACCOUNT),
    Operation.QUERY_TRANSFERS: Shape(QUERY_FILTER, 1, TRANSFER),
}

_SHAPES: Final = {**COMMANDS, **QUERIES}


def encode(operation: Operation, rows: Rows) -> bytes:
    """The command or query that sends `rows`. Raises Rejected if they are too many."""
    shape = _SHAPES[operation]
    if not 1 <= rows.size <= shape.rows_max:
        raise Rejected(f"{operation.name} takes 1 to {shape.rows_max} rows and was given {rows.size}: split them")
    return bytes([operation]) + np.ascontiguousarray(rows, shape.sent).tobytes()


def decode_reply(operation: Operation, reply: bytes) -> Rows:
    """The rows that a ledger answered with."""
    return np.frombuffer(reply, _SHAPES[operation].answered)


def decode(asked: bytes, known: dict[Operation, Shape]) -> tuple[Operation, Rows]:
    """The operation, one of those `known`, and its rows. Raises Rejected, saying what is wrong."""
    operation = operation_of(asked, known)
    return operation, np.frombuffer(asked, known[operation].sent, offset=1)


def operation_of(asked: bytes, known: dict[Operation, Shape]) -> Operation:
    """The operation, one of those `known`. Raises Rejected, saying what is wrong, unless the rows can be read."""
    operation = _OPERATIONS.get(asked[0]) if asked else None
    if operation not in known:
        names = ", ".join(f"{operation.name} ({operation})" for operation in known)
        raise Rejected(f"a ledger can't do this: the first byte is {asked[:1].hex() or 'missing'}; it knows {names}")
    _check_size(operation, known[operation], len(asked) - 1)
    return operation


def decode_rows(operation: Operation, rows: bytes) -> Rows:
    """The rows that an operation is sent, without its byte. Raises Rejected if they are none, or too many."""
    _check_size(operation, _SHAPES[operation], len(rows))
    return np.frombuffer(rows, _SHAPES[operation].sent)


def _check_size(operation: Operation, shape: Shape, size: int) -> None:
    count, rest = divmod(size, shape.sent.itemsize)
    if rest or not 1 <= count <= shape.rows_max:
        raise Rejected(
            f"{operation.name} takes 1 to {shape.rows_max} rows of {shape.sent.itemsize} bytes "
            f"and was given {size} bytes: send whole rows, and no more at once"
        )


_OPERATIONS: Final = {int(operation): operation for operation in Operation}
