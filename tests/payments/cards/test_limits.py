"""The bounds of card authorisation that rest on each other, and what would follow if they did not hold."""

import pytest

from ropewalk.errors import Rejected
from ropewalk.systems.payments.cards import limits
from ropewalk.systems.payments.cards.framing import framed
from ropewalk.systems.payments.cards.specification import SPECIFICATIONS, Encoding, Framing, load_specification


def test_the_largest_message_fits_the_framing_of_every_specification_that_comes_with_ropewalk() -> None:
    for path in SPECIFICATIONS.glob("*.json"):
        assert framed(bytes(limits.MESSAGE_BYTES_MAX), load_specification(path.stem).framing)


def test_a_message_that_does_not_fit_a_framing_is_refused() -> None:
    with pytest.raises(Rejected, match="use more bytes"):
        framed(bytes(256), Framing(Encoding.BINARY, 1))
    with pytest.raises(Rejected, match="use more bytes"):
        framed(bytes(10), Framing(Encoding.ASCII, 1))


def test_answers_of_all_that_is_in_flight_are_few_beside_what_a_slow_reader_may_leave() -> None:
    assert limits.IN_FLIGHT_MAX * 512 <= limits.UNREAD_BYTES_MAX
