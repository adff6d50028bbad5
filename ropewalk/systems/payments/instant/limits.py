"""The bounds of instant payments, each with its reason; the relations between them are checked on import.

Checked by: tests/payments/instant/test_instant.py
"""

from typing import Final, NamedTuple

from ropewalk.errors import invariant
from ropewalk.systems.payments.iso20022.limits import AMOUNT_MAX

DECISION_SECONDS: Final = 20
"""A payment that is not decided by then is rejected: the usual time-out of the FedNow service."""

AMOUNT_CENTS_MAX: Final = 1_000_000_000
"""The largest credit transfer, ten million dollars: the limit of the FedNow service."""

PAYMENTS_KEPT: Final = 20_000
"""Payments whose words are kept (who asked, why it was refused): some 1,000 bytes each, and each snapshot holds them
all. The newest, and whatever is still open; of those before, the ledger still knows the money, for ever."""

OPEN_MAX: Final = 10_000
"""Payments kept beyond those since somebody is to decide: past it a recall does not wait for a person. Each payment
that is taken looks at up to twice as many for one that may go, in half a millisecond."""

RETURNS_MAX: Final = 16
"""Returns of one payment that its creditor's bank sends, so that all of them are looked up at once."""

RETURNS_AND_RECALL_MAX: Final = RETURNS_MAX + 1
"""Times that money of one payment goes back: a recall sends all that is left, however many returns there were."""

NOTES_MAX: Final = 64
"""What the history of one payment holds; the first and the newest stay."""

WORDS_MAX: Final = 200
"""Characters of who decides, and of why: the history keeps them."""

TIMEOUTS_STEP: Final = 256
"""Payments that one batch rejects because their time has passed; the next batch goes on."""


class Terms(NamedTuple):
    """What may be set. The same on every replica: it decides what a batch changes."""

    decision_seconds: int = DECISION_SECONDS
    amount_cents_max: int = AMOUNT_CENTS_MAX
    payments_kept: int = PAYMENTS_KEPT


USUAL_TERMS: Final = Terms()
"""FedNow's."""

invariant(AMOUNT_CENTS_MAX <= AMOUNT_MAX, "a message holds the largest amount")
invariant(RETURNS_AND_RECALL_MAX <= 256, "the number of a return fits a byte")
