"""The two steps that take forward entries from accepted to their end: reserving, and settling in a window.

    accepted ──reserve──► pending ──window──► posted | returned
        └───────────────► rejected: its own originator can't pay, so it never went out

Each step works on a slice of one file, so that no batch takes long. Nothing here loops over entries.

Promise:    an entry changes state together with its money, or not at all.
Checked by: tests/payments/processing/test_properties.py
"""

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ropewalk.systems.payments.ach.layouts import IAT_ENTRY
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.processing.books import LEG, Legs, post, reserve, void
from ropewalk.systems.payments.processing.directory import Restriction
from ropewalk.systems.payments.processing.files import File, credit_side, is_reserved
from ropewalk.systems.payments.processing.layouts import (
    ACCOUNT_BYTES,
    ANSWER,
    EntryState,
    Marks,
    Places,
    Reason,
    Rows,
)
from ropewalk.systems.payments.processing.refusals import (
    IMPROPER_REVERSAL,
    Codes,
    codes_by_directory,
    codes_by_ledger,
)
from ropewalk.systems.payments.processing.reversals import find_reversed
from ropewalk.systems.payments.processing.state import State
from ropewalk.systems.payments.processing.windows import Window

_BLANK: Final = ord(" ")


def reserve_step(state: State, file: File, *, time_ns: int) -> None:
    """Make the next slice of a file's entries pending, or reject those whose originator can't pay."""
    rows = np.arange(file.reserved, min(file.reserved + state.steps.entries, file.record.entries))
    entries = file.entries[rows]
    moving = is_reserved(entries)
    legs = legs_of(state, file, rows[moving])
    reasons = _reasons_by_directory(state, legs)
    allowed = np.flatnonzero(reasons == 0)
    going = legs.of(allowed)
    far = state.are_elsewhere(file.entries["rdfi"][going.rows["row"]])
    reasons[allowed] = _reasons_by_ledger(reserve(state.ledger, going, far, time_ns=time_ns))
    failed = reasons > 0
    refused = legs.rows["row"][failed]
    file.state["code"][refused] = reasons[failed]
    file.change(refused, EntryState.REJECTED)
    file.change(np.concatenate([rows[~moving], legs.rows["row"][~failed]]), EntryState.PENDING)
    file.reserved += rows.size
    if file.reserved == file.record.entries:
        file.find_due()


class End(NamedTuple):
    """How entries end: `codes` are 0 for those that are posted; what each reverses, as `reversals_of` tells."""

    rows: Places
    codes: Codes
    reversed_by: NDArray[np.int64]


def settle_step(state: State, window: Window, file: File, *, rows: Places, time_ns: int) -> None:
    """Post a slice of a file's forward entries that are due and whose receivers are here, or return them."""
    legs = legs_of(state, file, rows)
    codes = codes_by_directory(state.directory, legs, account_numbers(file, rows))
    reversed_by, improper = reversals_of(state, file, rows, day=window.day)
    codes = np.where(codes == 0, improper, codes)
    moving = (legs.rows["amount"] > 0) & (codes == 0)
    rejected = _post(state, legs, codes, moving=moving, time_ns=time_ns)
    void(state.ledger, legs.of(((codes > 0) | rejected) & (legs.rows["amount"] > 0)), time_ns=time_ns)
    mark_reversed(state, reversed_by[(codes == 0) & ~rejected])
    finish(state, window, file, legs=legs, end=End(rows, codes, reversed_by), rejected=rejected)


def finish(
    state: State,
    window: Window,
    file: File,
    *,
    legs: Legs,
    end: End,
    rejected: NDArray[np.bool_] | None = None,
) -> None:
    """Bring entries whose money has moved, or has not, into the state that goes with that."""
    rows, codes, _ = end
    rejected = np.zeros(rows.size, "?") if rejected is None else rejected
    returned = codes > 0
    posted = ~returned & ~rejected
    file.state["settled_day"][rows] = file.last_settled_day = window.day
    file.state["moves"][rows[posted]] = 1
    file.state["code"][rows] = np.where(rejected, np.uint8(Reason.ORIGINATOR_ACCOUNT_IS_CLOSED), codes)
    file.state["answered_day"][rows[returned]] = window.day
    for chosen, after in (
        (posted, EntryState.POSTED),
        (returned, EntryState.RETURNED),
        (rejected, EntryState.REJECTED),
    ):
        file.change(rows[chosen], after)
    state.windows.answer(_answers(file, legs.of(returned), codes[returned]))
    window.posted += int(posted.sum())
    window.returned += int(returned.sum())
    window.rejected += int(rejected.sum())


def legs_of(state: State, file: File, rows: Places) -> Legs:
    """What moving some entries of a file needs to know."""
    entries = file.entries[rows]
    batches = file.batches[entries["batch"]]
    legs = np.zeros(rows.size, LEG)
    legs["row"] = rows
    legs["amount"] = entries["amount_cents"]
    legs["trace"] = entries["trace"]
    legs["is_credit"] = credit_side(entries)
    legs["odfi"] = batches["odfi"]
    legs["rdfi"] = state.directory.find_institutions(entries["rdfi"])
    legs["receiver"] = state.directory.find_accounts(legs["rdfi"], account_numbers(file, rows))
    legs["originator"] = state.directory.accounts_of_originators(batches["originator"])
    return Legs(file.record.number, legs)


def account_numbers(file: File, rows: Places) -> NDArray[np.bytes_]:
    """The account that each entry names; none where an international one is longer than any account here."""
    entries = file.entries[rows]
    numbers: NDArray[np.bytes_] = np.char.strip(entries["account"])
    is_iat = file.contents.batch_columns["is_iat"][entries["batch"]]
    if is_iat.any():
        field = IAT_ENTRY["dfi_account_number"]
        lines = entries["line"][is_iat] - 1
        beyond = file.contents.rows[lines, field.start + ACCOUNT_BYTES : field.stop]
        numbers[np.flatnonzero(is_iat)[(beyond != _BLANK).any(axis=1)]] = b""
    return numbers


def _post(state: State, legs: Legs, codes: Codes, *, moving: NDArray[np.bool_], time_ns: int) -> NDArray[np.bool_]:
    """Post those that are `moving`; note codes for those whose receiver refuses, return whose originator does."""
    rejected = np.zeros(moving.size, "?")
    if moving.any():
        sent = legs.of(moving)
        posted = post(state.ledger, sent, time_ns=time_ns)
        refused = posted.refused_by_receiver
        places = np.flatnonzero(moving)
        codes[places[refused]] = codes_by_ledger(state.ledger, sent.of(refused), posted.receiver[refused])
        rejected[places[~posted.succeeded & ~refused]] = True
    return rejected


def _reasons_by_directory(state: State, legs: Legs) -> NDArray[np.uint8]:
    """Why an originator's own account keeps its entries from going out; 0 where nothing does."""
    return np.asarray(_OF_ORIGINATORS[state.directory.accounts["restriction"][legs.rows["originator"]]])


def _originator_table() -> NDArray[np.uint8]:
    table = np.zeros(len(Restriction), "u1")
    table[Restriction.CLOSED] = Reason.ORIGINATOR_ACCOUNT_IS_CLOSED
    for restriction in (Restriction.FROZEN, Restriction.HOLDER_DECEASED, Restriction.SOLD):
        table[restriction] = Reason.ORIGINATOR_ACCOUNT_REFUSES
    return table


_OF_ORIGINATORS: Final = _originator_table()


def _reasons_by_ledger(statuses: NDArray[np.uint32]) -> NDArray[np.uint8]:
    reasons = np.full(statuses.size, Reason.ORIGINATOR_ACCOUNT_REFUSES, "u1")
    reasons[statuses == TransferStatus.CREATED] = 0
    reasons[statuses == TransferStatus.EXCEEDS_CREDITS] = Reason.ORIGINATOR_HAS_INSUFFICIENT_FUNDS
    closed = (TransferStatus.DEBIT_ACCOUNT_ALREADY_CLOSED, TransferStatus.CREDIT_ACCOUNT_ALREADY_CLOSED)
    reasons[np.isin(statuses, closed)] = Reason.ORIGINATOR_ACCOUNT_IS_CLOSED
    return reasons


def reversals_of(state: State, file: File, rows: Places, *, day: int) -> tuple[NDArray[np.int64], Codes]:
    """Which entry each reverses, as file and row or -1; and the code of those that should reverse one and don't."""
    reversed_by = find_reversed(state, file, rows=rows, day=day)
    improper = (reversed_by[:, 0] < 0) & file.batches["is_reversal"][file.entries["batch"][rows]]
    return reversed_by, np.where(improper, IMPROPER_REVERSAL, 0).astype("u1")


def mark_reversed(state: State, originals: NDArray[np.int64]) -> None:
    """Note which entries are reversed."""
    for number, row in originals[originals[:, 0] >= 0].tolist():
        state.files[number].state["marks"][row] |= Marks.REVERSED


def unmark_reversed(state: State, originals: NDArray[np.int64]) -> None:
    """Take that back."""
    for number, row in originals[originals[:, 0] >= 0].tolist():
        state.files[number].state["marks"][row] &= ~np.uint8(Marks.REVERSED)


def _answers(file: File, legs: Legs, codes: Codes) -> Rows:
    """Returns of entries that their receiver's bank refuses."""
    answers = np.zeros(codes.size, ANSWER)
    answers["recipient"] = legs.rows["odfi"]
    answers["sender"] = file.entries["rdfi"][legs.rows["row"]]
    answers["file"] = file.record.number
    answers["row"] = legs.rows["row"]
    answers["code"] = codes
    return answers
