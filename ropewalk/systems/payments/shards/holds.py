"""Holding what a transaction moves in one shard, and then posting or voiding it.

A row is held with the accounts of it that are kept here; for those that are kept elsewhere stands the account of
their shard (`between`). It keeps the ids that the caller gave: a repeat finds the same transfer, in each shard of it.

Promise:    what is held is posted or voided, once, whatever happens to its accounts meanwhile.
Checked by: tests/payments/shards/test_transfers.py, test_properties.py
"""

from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from ropewalk.core.place import Place
from ropewalk.errors import invariant
from ropewalk.systems.payments.ledger.hot import HELD, VOIDED
from ropewalk.systems.payments.ledger.layout import ID, TRANSFER, WIDE_MAX, Rows, TransferFlags, split
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.processing.books import RESERVED_BYTE, Move
from ropewalk.systems.payments.shards.addresses import own_accounts, shards_of
from ropewalk.systems.payments.shards.between import Between
from ropewalk.systems.payments.shards.statuses import ShardStatus

Statuses = NDArray[np.uint32]

_CREATED: Final = np.uint32(TransferStatus.CREATED)
_ALL: Final = split(WIDE_MAX)
_SIDES: Final = (("debit", "credit"), ("credit", "debit"))


class Holding(msgspec.Struct, frozen=True, array_like=True):
    """Rows of a transaction that are held here: their places in it, their ids, and what stands for their accounts."""

    places: bytes
    ids: bytes
    slots: bytes

    @property
    def at(self) -> NDArray[np.int32]:
        """Their places."""
        return np.frombuffer(self.places, "i4")


NOTHING: Final = Holding(b"", b"", b"")


class Holds:
    """What one shard can do about it. `resolved` numbers the transfers that post and void."""

    def __init__(self, ledger: Ledger, place: Place) -> None:
        self.between = Between(ledger)
        self.resolved = 0
        self._ledger = ledger
        self._place = place

    def hold(self, rows: Rows, places: NDArray[np.int32], *, time_ns: int) -> tuple[Holding, Rows]:
        """Hold rows (TRANSFER, ids of accounts in full); return what is held, and one RESULT each."""
        own = own_accounts(rows, self._place)
        own["flags"] = TransferFlags.PENDING
        instead = np.full((rows.size, 2), -1, "i8")
        for column, (side, other) in enumerate(_SIDES):
            shards = shards_of(rows[f"{side}_account_id_high"], self._place)
            far = shards != self._place.partition
            if far.any():
                near = _ids(own[far], f"{other}_account_id")
                instead[far, column] = self.between.slots(shards[far], rows[far], near, time_ns=time_ns)
        results = self._ledger.hold(own, instead, time_ns=time_ns)
        held = results["status"] == _CREATED
        holding = Holding(
            places[held].astype("i4").tobytes(), _ids(own[held], "id").tobytes(), instead[held].tobytes()
        )
        self._tell_repeats(own, results)
        return holding, results

    def resolve(self, holding: Holding, commits: NDArray[np.bool_], *, time_ns: int) -> None:
        """Post those of a transaction's rows that commit, and void the others; `commits` is of all its rows."""
        chosen = commits[holding.at]
        if not chosen.size:
            return
        ids = np.frombuffer(holding.ids, ID)
        rows = np.zeros(ids.size, TRANSFER)
        rows["id_low"] = self.resolved + 1 + np.arange(ids.size, dtype="u8")
        rows["id_high"] = np.where(chosen, _high(Move.SHARD_POST), _high(Move.SHARD_VOID))
        rows["pending_id_low"], rows["pending_id_high"] = ids["id_low"], ids["id_high"]
        for half, whole in zip(("low", "high"), _ALL, strict=True):
            rows[f"amount_{half}"] = np.where(chosen, np.uint64(whole), np.uint64(0))
        rows["flags"] = np.where(chosen, TransferFlags.POST_PENDING_TRANSFER, TransferFlags.VOID_PENDING_TRANSFER)
        self.resolved += ids.size
        slots = np.frombuffer(holding.slots, "i8").reshape(-1, 2)
        statuses = self._ledger.hold(rows, slots, time_ns=time_ns)["status"]
        invariant(
            bool((statuses == _CREATED).all()),
            "what is held is posted or voided",
            statuses=np.unique(statuses).tolist(),
        )

    def accounts(self, holding: Holding) -> Rows:
        """The ids, as this shard knows them, of the accounts that something is held on; there may be repeats."""
        rows = self._ledger.lookup_transfers(np.frombuffer(holding.ids, ID))
        return np.concatenate([_ids(rows, "debit_account_id"), _ids(rows, "credit_account_id")])

    def _tell_repeats(self, own: Rows, results: Rows) -> None:
        """Of rows that exist, say what became of them: EXISTS is for those that were posted."""
        repeats = np.flatnonzero(results["status"] == TransferStatus.EXISTS)
        if repeats.size:
            states = self._ledger.states_of(_ids(own[repeats], "id"))
            results["status"][repeats[states == HELD]] = ShardStatus.EXISTS_UNDECIDED
            results["status"][repeats[states == VOIDED]] = TransferStatus.ID_ALREADY_FAILED


def _ids(rows: Rows, field: str) -> Rows:
    ids = np.empty(rows.size, ID)
    ids["id_low"], ids["id_high"] = rows[f"{field}_low"], rows[f"{field}_high"]
    return ids


def _high(purpose: Move) -> np.uint64:
    return np.uint64(RESERVED_BYTE << 56 | purpose << 48)
