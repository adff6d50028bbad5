"""The bounds fit each other, and the numbers of rows fit their bits."""

from ropewalk.core.limits import BATCH_BYTES_MAX, COMMAND_BYTES_MAX
from ropewalk.systems.payments.ledger import limits
from ropewalk.systems.payments.ledger.hot import ROW_MASK, SIDE_SHIFT


def test_a_full_request_is_a_command_and_fits_a_batch():
    assert 1 + limits.ROWS_MAX * 128 <= COMMAND_BYTES_MAX <= BATCH_BYTES_MAX


def test_a_side_holds_every_slot_and_every_row():
    assert limits.ACCOUNTS_MAX << int(SIDE_SHIFT) == 2**64
    assert limits.TRANSFERS_MAX == 1 << int(SIDE_SHIFT) <= int(ROW_MASK)
