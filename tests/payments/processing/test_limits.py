"""The bounds hold together, and name what they bound."""

from ropewalk.core.limits import COMMAND_BYTES_MAX
from ropewalk.systems.payments.ach.model import ENTRY
from ropewalk.systems.payments.processing.limits import FILE_BYTES_MAX, PART_BYTES_MAX, USUAL_STEPS
from ropewalk.systems.payments.processing.messages import NewAccount, OpenAccounts, SendPart, encode_command
from ropewalk.systems.payments.processing.windows import TRACE_NUMBERS


def test_the_largest_part_fits_a_command() -> None:
    part = SendPart(bytes(16), FILE_BYTES_MAX // PART_BYTES_MAX, bytes(PART_BYTES_MAX))
    assert len(encode_command(part)) <= COMMAND_BYTES_MAX


def test_accounts_with_long_names_fit_a_command_by_the_thousand() -> None:
    account = NewAccount("999999999", "9" * 17, "X" * 35, "general_ledger", True, True)
    assert len(encode_command(OpenAccounts([account] * 4_000))) <= COMMAND_BYTES_MAX


def test_a_window_numbers_its_answers_with_seven_digits() -> None:
    assert TRACE_NUMBERS == 10**7
    assert 0 < USUAL_STEPS.answers <= USUAL_STEPS.entries
    assert ENTRY["trace"] == "<u8"
