"""What a shard owes the others: one account for each of them and each ledger, opened when it is needed.

In its own shard an account stands for every account of another: what a transfer moves to an account there is credited
to the account that stands for that shard, and what comes from there is debited to it.

    shard 0: payer ──10──► shard 1            shard 1: shard 0 ──10──► payee

So the books of each shard balance by themselves, and what shard 0 has ever sent to 1 is what 1 has ever taken from 0,
but for what is on its way: what is decided, and posted in one of them and still held in the other.

Promise:    at any moment what is on its way from one shard to another is no more than what the other holds of it, or
            than what the one holds if the other has posted first.
Checked by: tests/payments/shards/test_properties.py
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ropewalk.errors import invariant
from ropewalk.systems.payments.ledger.layout import ACCOUNT, Rows, ids_of
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.statuses import AccountStatus
from ropewalk.systems.payments.processing.books import Holder, account_id, standing_number


class Standing(NamedTuple):
    """The account that stands for a shard in one ledger: where it is, and its id."""

    slot: int
    id: int


class Between:
    """Those of one shard."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._standing: dict[tuple[int, int], Standing] = {}

    def slots(self, peers: NDArray[np.int64], rows: Rows, near: Rows, *, time_ns: int) -> NDArray[np.int64]:
        """The slot that stands for the account of each row that is kept by its peer.

        `near`: the ids of the accounts that are kept here. Where that one is not there, or belongs to another ledger
        than the row names, the ledger refuses the row whatever stands opposite.
        """
        slots = np.zeros(rows.size, "i8")
        known = np.unique(self._ledger.lookup_accounts(near)["ledger"])
        for peer in np.unique(peers).tolist():
            of_peer = peers == peer
            for number in np.unique(rows["ledger"][of_peer]).tolist():
                if number in known:
                    slots[of_peer & (rows["ledger"] == number)] = self._stands_for(peer, number, time_ns=time_ns).slot
        return slots

    def accounts(self, number: int) -> tuple[list[int], Rows]:
        """The shards for which accounts stand in one ledger, rising, and those accounts (rows of ACCOUNT)."""
        standing = {peer: each.id for (peer, ledger), each in sorted(self._standing.items()) if ledger == number}
        return list(standing), self._ledger.lookup_accounts(ids_of(standing.values()))

    def save(self) -> list[tuple[int, int]]:
        """For whom there are accounts: shard and ledger."""
        return sorted(self._standing)

    def load(self, saved: list[tuple[int, int]]) -> None:
        """Become what was saved, over the ledger that was loaded."""
        self._standing = {(peer, number): self._found(peer, number) for peer, number in saved}

    def _stands_for(self, peer: int, number: int, *, time_ns: int) -> Standing:
        if (peer, number) not in self._standing:
            rows = np.zeros(1, ACCOUNT)
            rows["id_low"], rows["id_high"] = ids_of([_id(peer, number)])[0]
            rows["ledger"], rows["code"] = number, Holder.SHARD
            status = self._ledger.create_accounts(rows, time_ns=time_ns)["status"][0]
            invariant(status == AccountStatus.CREATED, "nobody else has an account with a reserved id", status=status)
            self._standing[peer, number] = self._found(peer, number)
        return self._standing[peer, number]

    def _found(self, peer: int, number: int) -> Standing:
        return Standing(int(self._ledger.slots_of(ids_of([_id(peer, number)]))[0]), _id(peer, number))


def _id(peer: int, number: int) -> int:
    return account_id(Holder.SHARD, standing_number(peer, number))
