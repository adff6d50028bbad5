"""The coordinator's side of a transaction: begin it, count votes, decide. The decision is what a record says.

    begin: hold here ──► Prepare to each other shard ──► all have voted, or the time has passed ──► decide
                                                                post or void here, tell the caller and the shards

A transaction whose rows are on their own (`begin_each`) has one other shard, and what that holds is posted; one that
is whole (`begin_together`) posts all of its rows if every shard holds its own, else none. A decision is made once, by
whichever comes first, and is forgotten as soon as it is told: messages between two shards arrive, once and in order,
so whoever asks later has been told before.

Promise:    a transaction has one outcome in all shards; it is decided in bounded time while its coordinator is up.
Checked by: tests/payments/shards/test_transfers.py, test_crashes.py, test_kills.py
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from ropewalk.core.codec import encode_value
from ropewalk.core.machine import Event
from ropewalk.core.place import log_name
from ropewalk.systems.payments.ledger.layout import RESULT, Rows, TransferFlags, get
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.shards.addresses import own_accounts, shards_of
from ropewalk.systems.payments.shards.holds import NOTHING, Holding, Statuses
from ropewalk.systems.payments.shards.messages import Decide, Decided, Prepare, Vote, encode
from ropewalk.systems.payments.shards.state import State, Transaction
from ropewalk.systems.payments.shards.statuses import ShardStatus

NUMBER_MASK: Final = 2**32 - 1
"""What a result has room for of the number of the transaction that decides it."""

DECIDED: Final = "transfers.decided"
"""The kind of the event that tells a decision; its data are a `Decided`."""

_CREATED: Final = np.uint32(TransferStatus.CREATED)
_EXISTS: Final = np.uint32(TransferStatus.EXISTS)
_PREPARED: Final = np.uint32(ShardStatus.PREPARED)


def subject_of(rows: Rows) -> str:
    """What the events about the transactions of one request are about: the id of its first transfer."""
    return f"{get(rows[0], 'id'):032x}"


def begin_each(state: State, rows: Rows, subject: str, *, time_ns: int) -> Rows:
    """Transfers from accounts here to accounts elsewhere, each on its own; return one RESULT each."""
    peers = shards_of(rows["credit_account_id_high"], state.place)
    chosen = np.unique(peers).tolist()
    is_silent = np.isin(peers, [peer for peer in chosen if state.is_silent(peer)])
    if is_silent.any():
        results = _refused(rows, ShardStatus.TOO_MANY_UNDECIDED)
        if not is_silent.all():
            results[~is_silent] = begin_each(state, rows[~is_silent], subject, time_ns=time_ns)
        return results
    if len(state.own) + len(chosen) > state.patience.undecided_max:
        return _refused(rows, ShardStatus.TOO_MANY_UNDECIDED)
    whole, results = state.holds.hold(rows, np.arange(rows.size, dtype="i4"), time_ns=time_ns)
    held = results["status"] == _CREATED
    for peer in chosen:
        places = np.flatnonzero(held & (peers == peer)).astype("i4")
        if places.size:
            results["reserved"][places] = state.begun + 1 & NUMBER_MASK
            own = _part_of(whole, places)
            _begin(state, rows[places], subject, own=own, peers=_all_to(peer, places.size), time_ns=time_ns)
    results["status"][held] = _PREPARED
    return results


def begin_together(state: State, rows: Rows, subject: str, *, time_ns: int) -> Rows:
    """Transfers between accounts anywhere, all or none; return one RESULT each."""
    if len(state.own) >= state.patience.undecided_max:
        return _refused(rows, ShardStatus.TOO_MANY_UNDECIDED)
    has_flags, has_timeout = rows["flags"] != 0, rows["timeout"] != 0
    if (has_flags | has_timeout).any():
        why = np.where(has_flags, ShardStatus.MUST_BE_PLAIN, TransferStatus.TIMEOUT_RESERVED_FOR_PENDING_TRANSFER)
        return _not_together(rows, np.where(has_flags | has_timeout, why, _CREATED).astype("u4"))
    debits, credits = (shards_of(rows[f"{side}_account_id_high"], state.place) for side in ("debit", "credit"))
    if (debits < 0).any() or (credits < 0).any():
        missing = np.where(
            debits < 0, TransferStatus.DEBIT_ACCOUNT_NOT_FOUND, TransferStatus.CREDIT_ACCOUNT_NOT_FOUND
        )
        return _not_together(rows, np.where((debits < 0) | (credits < 0), missing, _CREATED).astype("u4"))
    here = state.place.partition
    if (debits == here).all() and (credits == here).all():
        return _chained(state, rows, time_ns=time_ns)
    others = [peer for peer in np.unique(np.concatenate([debits, credits])).tolist() if peer != here]
    if any(state.is_silent(peer) for peer in others):
        return _refused(rows, ShardStatus.TOO_MANY_UNDECIDED)
    near = np.flatnonzero((debits == here) | (credits == here)).astype("i4")
    own, results = state.holds.hold(rows[near], near, time_ns=time_ns)
    statuses = np.full(rows.size, _CREATED)
    statuses[near] = results["status"]
    if not np.isin(statuses, (_CREATED, _EXISTS)).all():
        state.holds.resolve(own, np.zeros(rows.size, "?"), time_ns=time_ns)
        return _not_together(rows, statuses)
    # If this is a repeat, nothing is held anywhere, and the votes tell that the others exist too.
    statuses[statuses == _CREATED] = _PREPARED
    peers = {peer: np.flatnonzero((debits == peer) | (credits == peer)).astype("i4").tobytes() for peer in others}
    _begin(state, rows, subject, own=own, peers=peers, time_ns=time_ns, whole=statuses)
    answers = _refused(rows, ShardStatus.PREPARED)
    answers["status"] = statuses
    answers["timestamp"], answers["reserved"] = state.ledger.last_timestamp, state.begun & NUMBER_MASK
    return answers


def count_vote(state: State, peer: int, vote: Vote, *, time_ns: int) -> None:
    """Take note of a shard's vote, and decide if it was the last one."""
    state.unheard[peer] = state.unheard.get(peer, 1) - 1
    transaction = state.own.get(vote.number)
    if transaction is None or peer not in transaction.waiting:
        return
    transaction.waiting.remove(peer)
    statuses, places = _statuses(transaction), np.frombuffer(transaction.peers[peer], "i4")
    voted = np.frombuffer(vote.statuses, "u4")
    refused = voted != _CREATED
    statuses[places[refused]] = voted[refused]
    transaction.statuses = statuses.tobytes()
    if not transaction.waiting:
        _decide(state, transaction, otherwise=TransferStatus.LINKED_EVENT_FAILED, time_ns=time_ns)


def give_up_overdue(state: State, *, time_ns: int) -> None:
    """Decide that nothing moves where the time has passed and votes are missing."""
    while state.own:
        first = next(iter(state.own.values()))
        if first.deadline_ns > time_ns:
            return
        _decide(state, first, otherwise=ShardStatus.NOT_DECIDED_IN_TIME, time_ns=time_ns)


def _chained(state: State, rows: Rows, *, time_ns: int) -> Rows:
    """Transfers that all stay here: a chain of the ledger's own."""
    chain = own_accounts(rows, state.place)
    chain["flags"][:-1] = TransferFlags.LINKED
    return state.ledger.create_transfers(chain, time_ns=time_ns)


def _begin(
    state: State,
    rows: Rows,
    subject: str,
    *,
    own: Holding,
    peers: dict[int, bytes],
    time_ns: int,
    whole: Statuses | None = None,
) -> None:
    """Begin a transaction and ask the other shards; `whole` are the statuses of one whose rows all move or none."""
    state.begun += 1
    statuses = np.full(rows.size, _PREPARED) if whole is None else whole
    state.own[state.begun] = Transaction(
        number=state.begun,
        subject=subject,
        is_whole=whole is not None,
        deadline_ns=time_ns + state.patience.decides_within_ns,
        statuses=statuses.tobytes(),
        own=own,
        peers=peers,
        waiting=list(peers),
    )
    for peer, places in peers.items():
        part = rows[np.frombuffer(places, "i4")]
        state.unheard[peer] = state.unheard.get(peer, 0) + 1
        _send(state, peer, Prepare(state.begun, part.tobytes()), tag=b"vote")


def _decide(state: State, transaction: Transaction, *, otherwise: TransferStatus | ShardStatus, time_ns: int) -> None:
    """Post what commits, void the rest, tell everybody. A row that nothing stands against fails for `otherwise`."""
    statuses = _statuses(transaction)
    commits = statuses == _PREPARED
    if transaction.waiting or (transaction.is_whole and not commits.all()):
        statuses[commits] = otherwise
        commits[:] = False
    statuses[commits] = _CREATED
    state.holds.resolve(transaction.own, commits, time_ns=time_ns)
    for peer, places in transaction.peers.items():
        chosen = commits[np.frombuffer(places, "i4")]
        _send(state, peer, Decide(transaction.number, np.packbits(chosen).tobytes()))
    decided = Decided(transaction.number, statuses.tobytes())
    state.outgoing.publish(Event(DECIDED, transaction.subject, encode_value(decided)))
    del state.own[transaction.number]


def _send(state: State, peer: int, message: Prepare | Decide, *, tag: bytes = b"") -> None:
    state.outgoing.send(log_name(state.place.service, peer), encode(message), tag=tag)


def _statuses(transaction: Transaction) -> Statuses:
    return np.frombuffer(transaction.statuses, "u4").copy()


def _part_of(holding: Holding, places: NDArray[np.int32]) -> Holding:
    """Some rows of a holding, as all rows of a transaction of their own."""
    if not holding.places:
        return NOTHING
    chosen = np.searchsorted(holding.at, places)
    ids, slots = np.frombuffer(holding.ids, "V16")[chosen], np.frombuffer(holding.slots, "V16")[chosen]
    return Holding(np.arange(places.size, dtype="i4").tobytes(), ids.tobytes(), slots.tobytes())


def _all_to(peer: int, count: int) -> dict[int, bytes]:
    return {peer: np.arange(count, dtype="i4").tobytes()}


def _refused(rows: Rows, status: ShardStatus) -> Rows:
    results = np.zeros(rows.size, RESULT)
    results["status"] = status
    return results


def _not_together(rows: Rows, statuses: Statuses) -> Rows:
    """Results where some rows are refused, and the others for their sake."""
    results = _refused(rows, ShardStatus.PREPARED)
    results["status"] = np.where(statuses == _CREATED, np.uint32(TransferStatus.LINKED_EVENT_FAILED), statuses)
    return results
