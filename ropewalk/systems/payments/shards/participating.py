"""The participant's side of a transaction: promise, and keep the promise until told what to do with it.

A promise outlives every crash, since it is state. When it has stood for too long its shard asks the coordinator,
again and again, and goes on holding the money until it is told: nobody else can know the outcome.

Promise:    what was promised can be posted; it is posted or voided only because the coordinator said so.
Checked by: tests/payments/shards/test_transfers.py, test_crashes.py, test_kills.py
"""

import numpy as np

from ropewalk.core.machine import Event
from ropewalk.core.place import log_name
from ropewalk.errors import invariant
from ropewalk.systems.payments.ledger.layout import TRANSFER
from ropewalk.systems.payments.shards.messages import Decide, Inquire, Outcome, Prepare, Vote, encode
from ropewalk.systems.payments.shards.state import Promised, State

RESOLVED = "transfers.resolved"
"""The kind of the event that tells that this shard has done what was decided; it has no data."""


def prepare(state: State, coordinator: int, message: Prepare, *, time_ns: int) -> Vote:
    """Hold what a transaction moves here, and vote."""
    rows = np.frombuffer(message.rows, TRANSFER)
    holding, results = state.holds.hold(rows, np.arange(rows.size, dtype="i4"), time_ns=time_ns)
    if holding.places:
        promised = Promised(rows.size, holding, time_ns + state.patience.asks_after_ns)
        state.promised[coordinator, message.number] = promised
    return Vote(message.number, results["status"].tobytes())


def do_as_decided(state: State, coordinator: int, message: Decide, *, time_ns: int) -> None:
    """Post or void what is held; a transaction of which nothing is held here needs nothing."""
    promised = state.promised.pop((coordinator, message.number), None)
    if promised is not None:
        commits = np.unpackbits(np.frombuffer(message.commits, "u1"), count=promised.rows).astype("?")
        state.holds.resolve(promised.holding, commits, time_ns=time_ns)
        state.outgoing.publish(Event(RESOLVED, promise_subject(coordinator, message.number)))


def ask_overdue(state: State, *, time_ns: int) -> None:
    """Ask what became of transactions that have been held for too long."""
    while state.promised:
        (coordinator, number), first = next(iter(state.promised.items()))
        if first.asks_ns > time_ns:
            return
        if not first.is_asked:
            state.outgoing.send(log_name(state.place.service, coordinator), encode(Inquire(number)), tag=b"outcome")
            first.is_asked = True
        # Behind all others, whose time comes no later than this one's comes again.
        del state.promised[coordinator, number]
        first.asks_ns = time_ns + state.patience.asks_after_ns
        state.promised[coordinator, number] = first


def tell_outcome(state: State, message: Inquire) -> Outcome:
    """Whether a transaction of this shard is decided."""
    return Outcome(message.number, message.number not in state.own)


def hear_outcome(state: State, coordinator: int, outcome: Outcome) -> None:
    """Take note of an answer. A decision was told before it, so there is nothing to do but to see that it was."""
    promised = state.promised.get((coordinator, outcome.number))
    if promised is not None:
        promised.is_asked = False
    invariant(
        not (outcome.is_decided and promised is not None),
        "a decision arrives before the answer that there is one",
        coordinator=coordinator,
        number=outcome.number,
    )


def promise_subject(coordinator: int, number: int) -> str:
    """What the event is about that tells that a promise was kept or let go."""
    return f"{coordinator}/{number}"
