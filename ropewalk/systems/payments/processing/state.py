"""Everything that ACH processing holds, beside the ledger that it moves money in.

Checked by: tests/payments/processing/test_properties.py
"""

from collections.abc import Mapping

import msgspec
import numpy as np

from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Saved
from ropewalk.data.shelf import Shelf
from ropewalk.errors import invariant
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.processing.books import Holder, clearing_balances, lookup
from ropewalk.systems.payments.processing.directory import Directory
from ropewalk.systems.payments.processing.files import Files, credit_side, is_reserved
from ropewalk.systems.payments.processing.layouts import EntryState
from ropewalk.systems.payments.processing.limits import Steps
from ropewalk.systems.payments.processing.uploads import Uploads
from ropewalk.systems.payments.processing.windows import Windows


class Notice(msgspec.Struct):
    """A notification of change: which entry it is about, and what its originator is to change."""

    file: int
    row: int
    change_code: str
    corrected_data: str
    time_ns: int
    refused_code: str = ""


class State:
    """The parts, and what is true between them."""

    def __init__(self, ledger: Ledger, shelf: Shelf, *, steps: Steps) -> None:
        self.ledger = ledger
        self.steps = steps
        self.directory = Directory()
        self.files = Files(shelf)
        self.uploads = Uploads(shelf)
        self.windows = Windows(shelf)
        self.notices: list[Notice] = []

    def save(self) -> Saved:
        """All of it but the ledger."""
        parts = {
            **self.directory.save(),
            **self.files.save(),
            **self.uploads.save(),
            **self.windows.save(),
            "notices": encode_value(self.notices),
        }
        return Saved(parts, [*self.files.blobs(), *self.uploads.blobs(), *self.windows.blobs()])

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        self.directory.load(parts)
        self.files.load(parts)
        self.uploads.load(parts)
        self.windows.load(parts)
        self.notices = msgspec.msgpack.decode(parts["notices"], type=list[Notice])

    def check(self) -> None:
        """Raise Bug if an entry or a cent is not accounted for."""
        for file in self.files:
            file.check()
        institutions = len(self.directory.institutions)
        owed = clearing_balances(self.ledger, institutions)
        invariant(int(owed.sum()) == 0, "what all institutions owe is what all are owed", owed=owed.tolist())
        if self.windows.current is None:
            invariant(not owed.any(), "between windows every clearing account is at zero", owed=owed.tolist())
        self._check_reserved(institutions)
        for window in self.windows.all[: self.windows.closed]:
            invariant(
                sum(position.net_cents for position in window.positions) == 0,
                "the net positions of a window sum to zero",
                window=window.number,
            )

    def _check_reserved(self, institutions: int) -> None:
        """What is pending on the clearing accounts is what entries have that wait for their window."""
        credits, debits = np.zeros(institutions, "i8"), np.zeros(institutions, "i8")
        for file in self.files:
            waiting = (file.state["state"] == EntryState.PENDING) & is_reserved(file.entries)
            entries = file.entries[waiting]
            odfi = file.batches["odfi"][entries["batch"]]
            is_credit = credit_side(entries)
            np.add.at(credits, odfi[is_credit], entries["amount_cents"][is_credit].astype("i8"))
            np.add.at(debits, odfi[~is_credit], entries["amount_cents"][~is_credit].astype("i8"))
        rows = lookup(self.ledger, Holder.CLEARING, np.arange(institutions))
        invariant(
            np.array_equal(rows["credits_pending_low"], credits)
            and np.array_equal(rows["debits_pending_low"], debits),
            "what is reserved is what waits for its window",
            credits=credits.tolist(),
            debits=debits.tolist(),
        )
