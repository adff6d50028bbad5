"""Entries whose receiver is kept in another shard: sent there in their window, and ended by what comes back.

    originator's shard   hold its leg ──► window: send ───────────────────────► post and end, or void and return
                                                    │                              ▲
    receiver's shard                                └► judge, make its leg ── codes ┘

The originator's leg is held from the moment the file is taken, so it can be posted whatever happens to the account:
the receiver's shard may make its leg at once, and an entry ends the same in both. Between the two shards' records the
one's clearing account is ahead of the other's; a window's net positions are settled when no answer is missing.

Promise:    an entry's legs are both made or none is; it changes state together with its originator's leg.
Checked by: tests/payments/processing/test_shards.py
"""

import numpy as np

from ropewalk.systems.payments.processing.books import LEG, Legs, of_shard, post_held, post_receivers, void_held
from ropewalk.systems.payments.processing.elsewhere import FAR, TAG, Settled, SettleThere
from ropewalk.systems.payments.processing.files import File
from ropewalk.systems.payments.processing.layouts import Places, Rows
from ropewalk.systems.payments.processing.limits import FAR_ENTRIES_MAX
from ropewalk.systems.payments.processing.refusals import codes_by_directory, codes_by_ledger
from ropewalk.systems.payments.processing.settlement import (
    End,
    account_numbers,
    finish,
    legs_of,
    mark_reversed,
    reversals_of,
    unmark_reversed,
)
from ropewalk.systems.payments.processing.state import SentEntries, State
from ropewalk.systems.payments.processing.windows import Window


def send_entries(state: State, window: Window, file: File, *, rows: Places, time_ns: int) -> None:
    """Send a slice of a file's forward entries to their receivers' shards; return improper reversals at once."""
    reversed_by, codes = reversals_of(state, file, rows, day=window.day)
    improper = codes > 0
    if improper.any():
        end = End(rows[improper], codes[improper], reversed_by[improper])
        _end(state, window, file, end=end, time_ns=time_ns)
    rows, reversed_by = rows[~improper], reversed_by[~improper]
    # At once, so that no other reversal finds the same entry while this one is on its way.
    mark_reversed(state, reversed_by)
    entries = _far(state, file, rows)
    shards = state.shards_of(entries["rdfi"])
    for shard in np.unique(shards).tolist():
        chosen = np.flatnonzero(shards == shard)
        for start in range(0, chosen.size, FAR_ENTRIES_MAX):
            some = chosen[start : start + FAR_ENTRIES_MAX]
            kept = SentEntries(file.record.number, rows[some].tobytes(), reversed_by[some].tobytes())
            number = state.keep_sent(kept)
            message = SettleThere(number, file.record.number, entries[some].tobytes())
            state.caller.tell(shard, message, tag=TAG)


def settle_there(state: State, shard: int, message: SettleThere, *, time_ns: int) -> Settled:
    """Make the receivers' legs of another shard's entries, or say why not."""
    entries = np.frombuffer(message.entries, FAR)
    rows: Rows = np.zeros(entries.size, LEG)
    for field in ("row", "amount", "trace", "is_credit"):
        rows[field] = entries[field]
    rows["rdfi"] = state.directory.find_institutions(entries["rdfi"])
    rows["receiver"] = state.directory.find_accounts(rows["rdfi"], entries["account"])
    legs = Legs(of_shard(message.file, shard), rows)
    codes = codes_by_directory(state.directory, legs, entries["account"])
    places = np.flatnonzero((codes == 0) & (rows["amount"] > 0))
    if places.size:
        made = legs.of(places)
        refused, statuses = post_receivers(state.ledger, made, time_ns=time_ns)
        codes[places[refused]] = codes_by_ledger(state.ledger, made.of(refused), statuses[refused])
    return Settled(message.number, codes.tobytes())


def hear_settled(state: State, window: Window, reply: Settled, *, sent: SentEntries, time_ns: int) -> None:
    """End the entries that were sent, as the receivers' shard says."""
    rows, codes = np.frombuffer(sent.rows, "i8"), np.frombuffer(reply.codes, "u1")
    reversed_by = np.frombuffer(sent.reversed_by, "i8").reshape(-1, 2)
    unmark_reversed(state, reversed_by[codes > 0])
    _end(state, window, state.files[sent.file], end=End(rows, codes, reversed_by), time_ns=time_ns)


def _end(state: State, window: Window, file: File, *, end: End, time_ns: int) -> None:
    legs = legs_of(state, file, end.rows)
    moving = legs.rows["amount"] > 0
    post_held(state.ledger, legs.of(moving & (end.codes == 0)), time_ns=time_ns)
    void_held(state.ledger, legs.of(moving & (end.codes > 0)), time_ns=time_ns)
    finish(state, window, file, legs=legs, end=end)


def _far(state: State, file: File, rows: Places) -> Rows:
    """What another shard needs to know of some entries."""
    legs = legs_of(state, file, rows).rows
    entries: Rows = np.zeros(rows.size, FAR)
    for field in ("row", "amount", "trace", "is_credit"):
        entries[field] = legs[field]
    entries["rdfi"] = file.entries["rdfi"][rows]
    entries["account"] = account_numbers(file, rows)
    return entries
