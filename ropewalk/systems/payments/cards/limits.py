"""The bounds of card authorisation, each with its reason; the relations between them are checked on import.

Checked by: tests/payments/cards/test_limits.py
"""

from typing import Final

from ropewalk.core.limits import BATCH_BYTES_MAX
from ropewalk.errors import invariant

CONNECTIONS_MAX: Final = 1_024
"""Connections at once. One more is closed at once, so that what is open keeps its share."""

IN_FLIGHT_MAX: Final = 256
"""Messages of one connection that are taken and not yet answered, and those handled in one turn of the event loop, so
that others have theirs; past it no more are read from it."""

CALL_MESSAGES_MAX: Final = 256
"""Messages that go to a partition in one call: they fit one record, however many connections have one at once."""

UNREAD_BYTES_MAX: Final = 262_144
"""Answers that a slow reader has not fetched; past it nothing more is read from its connection."""

READ_BYTES: Final = 65_536
"""What is taken from a connection at once."""

MESSAGE_BYTES_MAX: Final = 8_192
"""One message. Those of 1987 have a few hundred bytes; private fields make them a few thousand at most."""

IDLE_S: Final = 900.0
"""A connection from which no whole message comes for so long is cut off, and what it has not fetched is lost.
Networks send an echo test every few minutes."""

ANSWER_S: Final = 5.0
"""How long a message may take before its sender is told, or told nothing: acquirers give up after ten to thirty
seconds."""

STAND_IN_AFTER_S: Final = 2.0
"""How long the issuer's partition may take before its neighbour decides in its place."""

STAND_INS_KEPT: Final = 100_000
"""Decisions in place of an issuer that a partition remembers, to repeat them and to show what became of them."""

STAND_INS_OPEN_MAX: Final = 50_000
"""Those of them that the issuer has not seen yet; past it nothing more is decided in its place."""

HOLD_DAYS_MAX: Final = 31
"""How long an authorisation may hold money: no network allows longer."""

CARDS_ISSUED_MAX: Final = 4_096
"""Cards of one command."""

CLOCK_AHEAD_S: Final = 86_400
"""How far ahead of us a message's own time may be."""

CLOCK_BEHIND_S: Final = 30 * 86_400
"""How old a message may be. Its time names no year, so an older one might be taken for one of another year."""

invariant(CALL_MESSAGES_MAX * MESSAGE_BYTES_MAX <= BATCH_BYTES_MAX, "a call fits one record")
invariant(IDLE_S > 2 * ANSWER_S, "a connection that is closed for its silence waits for no answer")
invariant(ANSWER_S > STAND_IN_AFTER_S, "a stand-in has time to answer")
invariant(STAND_INS_OPEN_MAX <= STAND_INS_KEPT, "what the issuer has not seen is remembered")
invariant(
    CLOCK_BEHIND_S < 150 * 86_400, "the year of a message is the one nearest to its arrival, also a month later"
)
