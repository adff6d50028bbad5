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

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

import numpy as np

from ropewalk.systems.payments.ach.model import Category
from ropewalk.systems.payments.ach.reasons import RETURN_REASONS
from ropewalk.systems.payments.processing.books import Party, pay_leg
from ropewalk.systems.payments.processing.calendar import day_number, day_of, next_banking_day
from ropewalk.systems.payments.processing.elsewhere import TAG, Claim, FarLeg, JudgeThere, PayThere
from ropewalk.systems.payments.processing.files import File
from ropewalk.systems.payments.processing.layouts import ANSWER, EntryState, Marks, Places, Reason
from ropewalk.systems.payments.processing.settlement import account_numbers, legs_of
from ropewalk.systems.payments.processing.state import Notice, SentClaims, SentLeg, State
from ropewalk.systems.payments.processing.windows import TRACE_NUMBERS, Window

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


class Objection(NamedTuple):
    """Why it has no effect: the code that is answered, or only a reason; for R69, what is wrong."""

    code: int
    information: bytes = b""


_TOLD: Final = {
    Category.NOTIFICATION: ("change_code", "corrected_data"),
    Category.REFUSED_NOTIFICATION: ("refused_change_code",),
}
"""What else a notification tells, in its addenda."""


class Ended(NamedTuple):
    """A row that named another entry, and what was against it."""

    row: int
    objection: Objection | None


_NO_ENTRY: Final = Objection(Reason.NAMES_NO_ENTRY)
_OTHER_STATE: Final = Objection(Reason.NAMES_ENTRY_IN_ANOTHER_STATE)
_OTHER_INSTITUTION: Final = Objection(Reason.NAMES_ENTRY_OF_ANOTHER_INSTITUTION)
_TOO_LATE: Final = Objection(Reason.TOO_LATE)


def answer_step(state: State, window: Window, file: File, *, rows: Places, time_ns: int) -> None:
    """Do what some returns, answers and notifications of one file ask, or object to it, where their originals are."""
    ended: list[Ended] = []
    elsewhere: dict[int, list[Claim]] = {}
    for row in rows.tolist():
        claim, sender = _claim(file, row)
        shard = state.shard_of_institution(claim.original_trace // TRACE_NUMBERS)
        if shard != state.place.partition:
            elsewhere.setdefault(shard, []).append(claim)
            continue
        objection, leg = effect(state, claim, sender=sender, day=window.day, time_ns=time_ns)
        ended.append(Ended(row, objection))
        if leg is not None:
            shard = state.shard_of_institution(leg.rdfi)
            state.caller.tell(shard, PayThere(state.keep_sent(SentLeg()), leg), tag=TAG)
    end_answers(state, window, file, ended=ended)
    for shard, claims in elsewhere.items():
        number = state.keep_sent(SentClaims(file.record.number))
        state.caller.tell(shard, JudgeThere(number, window.day, claims), tag=TAG)


def end_answers(state: State, window: Window, file: File, *, ended: Sequence[Ended]) -> None:
    """Bring returns, answers and notifications into their last state; objections go back with the window."""
    objections = np.zeros(len(ended), ANSWER)
    answered = 0
    for row, objection in ended:
        file.state["settled_day"][row] = window.day
        file.change(np.array([row]), EntryState.POSTED if objection is None else EntryState.REJECTED)
        if objection is None:
            window.posted += 1
            continue
        window.rejected += 1
        file.state["code"][row] = objection.code
        recipient = int(file.batches["odfi"][file.entries["batch"][row]])
        if objection.code < Reason.ORIGINATOR_HAS_INSUFFICIENT_FUNDS and recipient >= 0:
            sender, number = int(file.entries["rdfi"][row]), file.record.number
            objections[answered] = (recipient, sender, number, row, 0, objection.code, objection.information)
            answered += 1
    state.windows.answer(objections[:answered])


def _claim(file: File, row: int) -> tuple[Claim, int]:
    """What an entry that names another one says, and the institution that sends it."""
    entry = file.entries[row]
    batch = int(entry["batch"])
    *_, addenda = file.contents.addenda(entry)
    category = Category(int(entry["category"]))
    claim = Claim(
        row=row,
        category=category,
        code=int(addenda.data[4:6]),
        original_trace=int(addenda["original_entry_trace_number"]),
        identification=int(file.contents.batch_columns["odfi"][batch]),
        rdfi=int(entry["rdfi"]),
        amount_cents=int(entry["amount_cents"]),
        account=bytes(entry["account"]).strip(),
        transaction_code=int(entry["transaction_code"]),
        **{name: addenda[name] for name in _TOLD.get(category, ())},
    )
    return claim, int(file.batches["odfi"][batch])


def effect(
    state: State, claim: Claim, *, sender: int, day: int, time_ns: int
) -> tuple[Objection | None, FarLeg | None]:
    """Do what an entry asks; or return what is against it, and do nothing.

    `sender` is the index of the institution, or -1 if it is kept elsewhere. What is to be paid by, or to, a receiver
    who is kept elsewhere is returned too.
    """
    category = Category(claim.category)
    place = state.files.find_trace(claim.original_trace)
    if place is None:
        returns = category is Category.RETURN
        return Objection(FIELD_ERROR, WRONG_TRACE) if returns else _NO_ENTRY, None
    original = Original(state.files[place.file], place.row)
    match category:
        case Category.RETURN:
            objection = objection_to_return(state, claim, original, day=day)
            end, marks = EntryState.RETURNED, 0
        case Category.DISHONORED:
            objection = objection_to_dishonor(claim, original, sender=sender, day=day)
            end, marks = EntryState.POSTED, Marks.DISHONORED
        case Category.CONTESTED:
            objection = objection_to_contest(claim, original, day=day)
            end, marks = EntryState.RETURNED, Marks.CONTESTED
        case _:
            return _note_change(state, claim, original, sender=sender, day=day, time_ns=time_ns), None
    if objection is not None:
        return objection, None
    leg = _reroute(state, original, end, day=day, time_ns=time_ns)
    original.file.state["marks"][original.row] |= marks
    if category is not Category.DISHONORED:
        original.file.state["code"][original.row] = _return_code(claim, original)
    return None, leg


def objection_to_return(state: State, claim: Claim, original: Original, *, day: int) -> Objection | None:
    """What is against a return."""
    entry = original.entry
    sent_by_receiver = claim.identification == int(entry["rdfi"])
    to_originator = state.directory.institutions[original.odfi].routing[:8] == f"{claim.rdfi:08}"
    if not (sent_by_receiver and to_originator):
        return Objection(MISROUTED)
    if original.state["state"] == EntryState.RETURNED:
        return Objection(DUPLICATE)
    if original.state["state"] != EntryState.POSTED:
        return Objection(FIELD_ERROR, WRONG_TRACE)
    if claim.amount_cents != entry["amount_cents"]:
        return Objection(FIELD_ERROR, WRONG_AMOUNT)
    if claim.account != bytes(entry["account"]).strip():
        return Objection(FIELD_ERROR, WRONG_ACCOUNT)
    if (claim.transaction_code % 10 < 5) != (entry["transaction_code"] % 10 < 5):
        return Objection(FIELD_ERROR, WRONG_TRANSACTION)
    if day > last_return_day(claim.code, int(original.state["settled_day"])):
        return Objection(UNTIMELY)
    return None


def objection_to_dishonor(claim: Claim, original: Original, *, sender: int, day: int) -> Objection | None:
    """What is against a dishonored return."""
    if sender != original.odfi or claim.rdfi != int(original.entry["rdfi"]):
        return Objection(MISROUTED_DISHONOR)
    state = original.state
    if state["state"] != EntryState.RETURNED or state["moves"] == 0 or state["marks"] & Marks.CONTESTED:
        return _OTHER_STATE
    if day > _banking_days_after(int(state["answered_day"]), DISHONOR_BANKING_DAYS):
        return Objection(UNTIMELY_DISHONOR)
    return None


def objection_to_contest(claim: Claim, original: Original, *, day: int) -> Objection | None:
    """What is against a contested dishonored return: there is no further answer, so it is only rejected."""
    if claim.identification != int(original.entry["rdfi"]):
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


def _note_change(
    state: State, claim: Claim, original: Original, *, sender: int, day: int, time_ns: int
) -> Objection | None:
    """Keep a notification of change for the originator; or note that the originator refuses it."""
    number, row = original.file.record.number, original.row
    marks = original.file.state["marks"]
    if claim.category == Category.NOTIFICATION:
        if claim.identification != int(original.entry["rdfi"]):
            return _OTHER_INSTITUTION
        if original.state["state"] not in (EntryState.POSTED, EntryState.RETURNED):
            return _OTHER_STATE
        state.notices.append(Notice(number, row, claim.change_code, claim.corrected_data, time_ns))
        marks[row] |= Marks.CORRECTED
        return None
    if sender != original.odfi:
        return _OTHER_INSTITUTION
    open_notices = [
        notice for notice in state.notices if (notice.file, notice.row, notice.refused_code) == (number, row, "")
    ]
    if not open_notices:
        return _OTHER_STATE
    noticed = day_number(day_of(0) + timedelta(seconds=open_notices[-1].time_ns // 1_000_000_000))
    if day > noticed + REFUSAL_CALENDAR_DAYS:
        return _TOO_LATE
    open_notices[-1].refused_code = claim.refused_change_code
    marks[row] |= Marks.CORRECTION_REFUSED
    return None


def _reroute(state: State, original: Original, end: EntryState, *, day: int, time_ns: int) -> FarLeg | None:
    """Send an original's money back, or forth again, and bring it into the state that goes with that.

    Returns the receiver's leg if it is to be made in another shard.
    """
    file, row = original
    leg = legs_of(state, file, np.array([row])).rows[0]
    amount, goes_to_receiver = int(leg["amount"]), bool(leg["is_credit"]) == (end is EntryState.POSTED)
    number, before = file.record.number, int(original.state["moves"])
    rdfi = int(original.entry["rdfi"])
    account = bytes(account_numbers(file, np.array([row]))[0])
    far = FarLeg(number, row, before, amount, rdfi, account, brings=goes_to_receiver)
    originator = Party(int(leg["originator"]), int(leg["odfi"]))
    receiver = Party(int(leg["receiver"]), int(leg["rdfi"]))
    is_far = state.shard_of_institution(rdfi) != state.place.partition
    for party in (originator,) if is_far else (originator, receiver):
        brings = goes_to_receiver == (party is receiver)
        pay_leg(state.ledger, (number, row, before), party, amount=amount, time_ns=time_ns, brings=brings)
    file.change(np.array([row]), end)
    file.state["moves"][row] += 1
    file.state["answered_day"][row] = day
    return far if is_far else None


def _return_code(claim: Claim, original: Original) -> int:
    """Why the original is returned: of a contested return, what the return had said."""
    return claim.code if claim.code < MISROUTED or claim.code > 77 else int(original.state["code"])


def _banking_days_after(day: int, count: int) -> int:
    return day_number(next_banking_day(day_of(day), count=count))
