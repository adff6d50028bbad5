"""Entries as they are shown: what the file says, and what has become of it.

Checked by: tests/payments/processing/test_machine.py
"""

import numpy as np

from ropewalk.errors import Rejected
from ropewalk.systems.payments.ach.model import Category, entry_class_code
from ropewalk.systems.payments.processing.answers import NO_LIMIT_DAY, last_return_day
from ropewalk.systems.payments.processing.calendar import MINUTE_NS, day_of
from ropewalk.systems.payments.processing.files import File, credit_side
from ropewalk.systems.payments.processing.layouts import EntryState, Marks, reason_name
from ropewalk.systems.payments.processing.limits import PAGE_MAX
from ropewalk.systems.payments.processing.messages import ListEntries
from ropewalk.systems.payments.processing.refusals import INSUFFICIENT
from ropewalk.systems.payments.processing.views import EntryView

_ENDED_BADLY = (EntryState.RETURNED, EntryState.REJECTED)


def entry_views(file: File, query: ListEntries) -> list[EntryView]:
    """The entries of a page. Raises Rejected if there is no such state."""
    if not 1 <= query.limit <= PAGE_MAX:
        raise Rejected(f"a page has 1 to {PAGE_MAX} rows, not {query.limit}")
    first = max(query.after + 1, 0)
    if not query.state:
        rows = range(first, min(file.record.entries, first + query.limit))
        return [_entry(file, row) for row in rows]
    state = EntryState.__members__.get(query.state.upper())
    if state is None:
        names = ", ".join(each.name.lower() for each in EntryState)
        raise Rejected(f"{query.state!r} is none of {names}")
    chosen = first + np.flatnonzero(file.state["state"][first:] == state)[: query.limit]
    return [_entry(file, row) for row in chosen.tolist()]


def _entry(file: File, row: int) -> EntryView:
    entry, state = file.entries[row], file.state[row]
    batch = file.contents.batch_columns[entry["batch"]]
    now = EntryState(state["state"])
    return EntryView(
        row=row,
        line=int(entry["line"]),
        trace=f"{entry['trace']:015}",
        entry_class=entry_class_code(int(batch["entry_class"])),
        company_id=_text(batch["company_id"]),
        transaction_code=int(entry["transaction_code"]),
        kind=Category(entry["category"]).name.lower(),
        side="credit" if credit_side(file.entries[row : row + 1])[0] else "debit",
        rdfi=f"{entry['rdfi']:08}{entry['check_digit']}",
        account=_text(entry["account"]),
        individual_id=_text(entry["individual_id"]),
        name=_text(entry["name"]),
        amount_cents=int(entry["amount_cents"]),
        state=now.name.lower(),
        reason=reason_name(int(state["code"])) if now in _ENDED_BADLY else "",
        due_ns=int(state["due_minute"]) * MINUTE_NS,
        settled=_day(state["settled_day"]),
        answered=_day(state["answered_day"]),
        return_by=_return_by(state),
        marks=[mark.name.lower() for mark in Marks if state["marks"] & mark and mark.name],
    )


def _return_by(state: np.void) -> str:
    """The last day of a return for the reason given, or for insufficient funds."""
    if not state["settled_day"] or state["state"] == EntryState.REJECTED:
        return ""
    reason = int(state["code"]) if state["state"] == EntryState.RETURNED else INSUFFICIENT
    last = last_return_day(reason, int(state["settled_day"]))
    return _day(last) if last < NO_LIMIT_DAY else ""


def _text(value: bytes) -> str:
    return value.decode("latin-1").strip()


def _day(number: np.uint16 | int) -> str:
    return f"{day_of(int(number))}" if number else ""
