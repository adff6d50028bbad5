"""What comes back: returns, what is answered to them, and notifications of change.

    forward entry ──posted──► return (R01…) ──► dishonored return (R61…) ──► contested (R71…)
                              within its time     within 5 banking days       within 2 banking days
    state of the entry        returned            posted                      returned

Each names its original by trace number; what it says is judged against the original here, in order, and the first
objection counts. A return that breaks the rules moves nothing and is dishonored at once in the originator's name,
and a dishonored return that comes too late or to the wrong bank is contested at once; the entry that came is
rejected. A notification of change moves nothing: it is kept for the originator, who may refuse it.

Time limits are counted in days: what settles on the last day is in time, whatever the hour. What a bank returned in
the entry's own window moved nothing, and so can't be dishonored. (Nacha Operating Rules, Articles Two and Three on
returns, dishonored and contested returns and notifications of change; Appendices Four and Five.)

Promise:    an original is returned at most once at a time, and its money moves exactly when its state changes.
Checked by: tests/payments/processing/test_stories.py (returns, dishonored, notices), test_properties.py
"""

from datetime import timedelta
from typing import Final, NamedTuple

import numpy as np

from ropewalk.systems.payments.ach.model import Category, Record
from ropewalk.systems.payments.ach.reasons import RETURN_REASONS
from ropewalk.systems.payments.processing.books import Party, move
from ropewalk.systems.payments.processing.calendar import day_number, day_of, next_banking_day
from ropewalk.systems.payments.processing.files import File
from ropewalk.systems.payments.processing.layouts import ANSWER, EntryState, Marks, Places, Reason
from ropewalk.systems.payments.processing.settlement import legs_of
from ropewalk.systems.payments.processing.state import Notice, State
from ropewalk.systems.payments.processing.windows import Window

MISROUTED: Final = 61
DUPLICATE: Final = 67
UNTIMELY: Final = 68
FIELD_ERROR: Final = 69
MISROUTED_DISHONOR: Final = 71
UNTIMELY_DISHONOR: Final = 72

WRONG_ACCOUNT, WRONG_TRACE, WRONG_AMOUNT, WRONG_TRANSACTION = b"01", b"02", b"03", b"05"
"""What R69 says is wrong in the return."""

DISHONOR_BANKING_DAYS: Final = 5
CONTEST_BANKING_DAYS: Final = 2
REFUSAL_CALENDAR_DAYS: Final = 15

NO_LIMIT_DAY: Final = 2**16
"""Later than every day."""


class Original(NamedTuple):
    """The entry that is named."""

    file: File
    row: int

    @property
    def entry(self) -> np.void:
        entry: np.void = self.file.entries[self.row]
        return entry

    @property
    def state(self) -> np.void:
        """Its row of STATE, to be read and written."""
        state: np.void = self.file.state[self.row]
        return state

    @property
    def odfi(self) -> int:
        return int(self.file.batches["odfi"][self.entry["batch"]])


class Incoming(NamedTuple):
    """An entry that names another one: `sender` is the index of the institution, `identification` its digits."""

    entry: np.void
    addenda: Record
    sender: int
    identification: int
    code: int


class Objection(NamedTuple):
    """Why it has no effect: the code that is answered, or only a reason; for R69, what is wrong."""

    code: int
    information: bytes = b""


_NO_ENTRY: Final = Objection(Reason.NAMES_NO_ENTRY)
_OTHER_STATE: Final = Objection(Reason.NAMES_ENTRY_IN_ANOTHER_STATE)
_OTHER_INSTITUTION: Final = Objection(Reason.NAMES_ENTRY_OF_ANOTHER_INSTITUTION)
_TOO_LATE: Final = Objection(Reason.TOO_LATE)


def answer_step(state: State, window: Window, file: File, *, rows: Places, time_ns: int) -> None:
    """Do what some returns, answers and notifications of one file ask, or object to it."""
    objections = np.zeros(rows.size, ANSWER)
    answered = 0
    for row in rows.tolist():
        incoming = _incoming(file, row)
        place = state.files.find_trace(int(incoming.addenda["original_entry_trace_number"]))
        original = None if place is None else Original(state.files[place.file], place.row)
        objection = _effect(state, incoming, original, day=window.day, time_ns=time_ns)
        file.state["settled_day"][row] = window.day
        end = EntryState.POSTED if objection is None else EntryState.REJECTED
        file.change(np.array([row]), end)
        if objection is None:
            window.posted += 1
            continue
        window.rejected += 1
        file.state["code"][row] = objection.code
        if objection.code < Reason.ORIGINATOR_HAS_INSUFFICIENT_FUNDS and incoming.sender >= 0:
            recipient, sender = incoming.sender, int(incoming.entry["rdfi"])
            number = file.record.number
            objections[answered] = (recipient, sender, number, row, 0, objection.code, objection.information)
            answered += 1
    state.windows.answer(objections[:answered])


def _incoming(file: File, row: int) -> Incoming:
    entry = file.entries[row]
    batch = int(entry["batch"])
    *_, addenda = file.contents.addenda(entry)
    code = int(addenda.data[4:6])
    return Incoming(
        entry, addenda, int(file.batches["odfi"][batch]), int(file.contents.batch_columns["odfi"][batch]), code
    )


def _effect(
    state: State, incoming: Incoming, original: Original | None, *, day: int, time_ns: int
) -> Objection | None:
    """Do what an entry asks; or return what is against it, and do nothing."""
    category = Category(int(incoming.entry["category"]))
    if original is None:
        returns = category is Category.RETURN
        return Objection(FIELD_ERROR, WRONG_TRACE) if returns else _NO_ENTRY
    match category:
        case Category.RETURN:
            objection = objection_to_return(state, incoming, original, day=day)
            end, marks = EntryState.RETURNED, 0
        case Category.DISHONORED:
            objection = objection_to_dishonor(incoming, original, day=day)
            end, marks = EntryState.POSTED, Marks.DISHONORED
        case Category.CONTESTED:
            objection = objection_to_contest(incoming, original, day=day)
            end, marks = EntryState.RETURNED, Marks.CONTESTED
        case _:
            return _note_change(state, incoming, original, day=day, time_ns=time_ns)
    if objection is None:
        _reroute(state, original, end, day=day, time_ns=time_ns)
        original.file.state["marks"][original.row] |= marks
        if category is not Category.DISHONORED:
            original.file.state["code"][original.row] = _return_code(incoming, original)
    return objection


def objection_to_return(state: State, incoming: Incoming, original: Original, *, day: int) -> Objection | None:
    """What is against a return."""
    entry = original.entry
    sent_by_receiver = incoming.identification == int(entry["rdfi"])
    to_originator = state.directory.institutions[original.odfi].routing[:8] == f"{incoming.entry['rdfi']:08}"
    if not (sent_by_receiver and to_originator):
        return Objection(MISROUTED)
    if original.state["state"] == EntryState.RETURNED:
        return Objection(DUPLICATE)
    if original.state["state"] != EntryState.POSTED:
        return Objection(FIELD_ERROR, WRONG_TRACE)
    if incoming.entry["amount_cents"] != entry["amount_cents"]:
        return Objection(FIELD_ERROR, WRONG_AMOUNT)
    if bytes(incoming.entry["account"]).strip() != bytes(entry["account"]).strip():
        return Objection(FIELD_ERROR, WRONG_ACCOUNT)
    if (incoming.entry["transaction_code"] % 10 < 5) != (entry["transaction_code"] % 10 < 5):
        return Objection(FIELD_ERROR, WRONG_TRANSACTION)
    if day > last_return_day(incoming.code, int(original.state["settled_day"])):
        return Objection(UNTIMELY)
    return None


def objection_to_dishonor(incoming: Incoming, original: Original, *, day: int) -> Objection | None:
    """What is against a dishonored return."""
    if incoming.sender != original.odfi or incoming.entry["rdfi"] != original.entry["rdfi"]:
        return Objection(MISROUTED_DISHONOR)
    state = original.state
    if state["state"] != EntryState.RETURNED or state["moves"] == 0 or state["marks"] & Marks.CONTESTED:
        return _OTHER_STATE
    if day > _banking_days_after(int(state["answered_day"]), DISHONOR_BANKING_DAYS):
        return Objection(UNTIMELY_DISHONOR)
    return None


def objection_to_contest(incoming: Incoming, original: Original, *, day: int) -> Objection | None:
    """What is against a contested dishonored return: there is no further answer, so it is only rejected."""
    if incoming.identification != int(original.entry["rdfi"]):
        return _OTHER_INSTITUTION
    state = original.state
    if state["state"] != EntryState.POSTED or not state["marks"] & Marks.DISHONORED:
        return _OTHER_STATE
    if day > _banking_days_after(int(state["answered_day"]), CONTEST_BANKING_DAYS):
        return _TOO_LATE
    return None


def last_return_day(code: int, settled_day: int) -> int:
    """The last day on which a return for that reason may settle."""
    reason = RETURN_REASONS.get(f"R{code:02}")
    if reason is not None and reason.calendar_days is not None:
        sixtieth = day_of(settled_day) + timedelta(days=reason.calendar_days)
        return day_number(next_banking_day(sixtieth))
    if reason is None or reason.banking_days is None:
        return NO_LIMIT_DAY
    return _banking_days_after(settled_day, reason.banking_days)


def _note_change(state: State, incoming: Incoming, original: Original, *, day: int, time_ns: int) -> Objection | None:
    """Keep a notification of change for the originator; or note that the originator refuses it."""
    number, row = original.file.record.number, original.row
    marks = original.file.state["marks"]
    if incoming.entry["category"] == Category.NOTIFICATION:
        if incoming.identification != int(original.entry["rdfi"]):
            return _OTHER_INSTITUTION
        if original.state["state"] not in (EntryState.POSTED, EntryState.RETURNED):
            return _OTHER_STATE
        change, data = incoming.addenda["change_code"], incoming.addenda["corrected_data"]
        state.notices.append(Notice(number, row, change, data, time_ns))
        marks[row] |= Marks.CORRECTED
        return None
    if incoming.sender != original.odfi:
        return _OTHER_INSTITUTION
    open_notices = [
        notice for notice in state.notices if (notice.file, notice.row, notice.refused_code) == (number, row, "")
    ]
    if not open_notices:
        return _OTHER_STATE
    noticed = day_number(day_of(0) + timedelta(seconds=open_notices[-1].time_ns // 1_000_000_000))
    if day > noticed + REFUSAL_CALENDAR_DAYS:
        return _TOO_LATE
    open_notices[-1].refused_code = incoming.addenda["refused_change_code"]
    marks[row] |= Marks.CORRECTION_REFUSED
    return None


def _reroute(state: State, original: Original, end: EntryState, *, day: int, time_ns: int) -> None:
    """Send an original's money back, or forth again, and bring it into the state that goes with that."""
    file, row = original
    leg = legs_of(state, file, np.array([row])).rows[0]
    originator = Party(int(leg["originator"]), int(leg["odfi"]))
    receiver = Party(int(leg["receiver"]), int(leg["rdfi"]))
    goes_to_receiver = bool(leg["is_credit"]) == (end is EntryState.POSTED)
    payer, payee = (originator, receiver) if goes_to_receiver else (receiver, originator)
    entry = (file.record.number, row, int(original.state["moves"]))
    move(state.ledger, entry, payer=payer, payee=payee, amount=int(leg["amount"]), time_ns=time_ns)
    file.change(np.array([row]), end)
    file.state["moves"][row] += 1
    file.state["answered_day"][row] = day


def _return_code(incoming: Incoming, original: Original) -> int:
    """Why the original is returned: of a contested return, what the return had said."""
    return incoming.code if incoming.code < MISROUTED or incoming.code > 77 else int(original.state["code"])


def _banking_days_after(day: int, count: int) -> int:
    return day_number(next_banking_day(day_of(day), count=count))
