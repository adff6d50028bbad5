"""What is done without being asked, a step a batch: reserving what files need, opening windows, settling, closing.

Promise:    a step takes tens of milliseconds, whatever the file; steps are the same on every replica.
Checked by: tests/payments/processing/test_properties.py, test_windows.py
"""

from typing import Final

import numpy as np

from ropewalk.errors import invariant
from ropewalk.systems.payments.ach.model import Category
from ropewalk.systems.payments.processing.answers import answer_step
from ropewalk.systems.payments.processing.books import clearing_balances, clearing_turnover, settle_net
from ropewalk.systems.payments.processing.calendar import MINUTE_NS, day_number
from ropewalk.systems.payments.processing.elsewhere import AskWindow, Closed, GoOn, OpenWindow, PhaseDone
from ropewalk.systems.payments.processing.entries_elsewhere import send_entries
from ropewalk.systems.payments.processing.files import NO_MINUTE, File, credit_side
from ropewalk.systems.payments.processing.layouts import EntryState, Places
from ropewalk.systems.payments.processing.limits import SENT_MAX
from ropewalk.systems.payments.processing.schedule import settlement_day
from ropewalk.systems.payments.processing.settlement import reserve_step, settle_step
from ropewalk.systems.payments.processing.state import State
from ropewalk.systems.payments.processing.windows import Phase, Position, Window

_NEVER: Final = None


def step(state: State, *, time_ns: int) -> None:
    """Do the next piece of work, if there is any."""
    file = state.files.unreserved()
    if file is not None:
        reserve_step(state, file, time_ns=time_ns)
        state.files.note_due(file)
        return
    if state.windows.current is None and state.files.next_due_minute <= time_ns // MINUTE_NS:
        _ask(state, time_ns=time_ns)
    if state.windows.current is not None:
        _advance(state, state.windows.current, time_ns=time_ns)


def wakes_at_ns(state: State, *, time_ns: int) -> int | None:
    """When the next piece of work is due: now, at the next window, or never as far as is known."""
    window = state.windows.current
    if state.files.unreserved() is not None or (window is not None and not window.waits):
        return time_ns
    if window is not None or state.has_asked:
        return _NEVER
    next_due = state.files.next_due_minute
    return _NEVER if next_due == NO_MINUTE else next_due * MINUTE_NS


def ask_window(state: State, *, through_minute: int, by_hand: bool, time_ns: int) -> Window:
    """Line up a window for what is due by a minute, of the files that are there now."""
    settles_ns = time_ns if by_hand else through_minute * MINUTE_NS
    window = Window(
        number=len(state.windows.all),
        by_hand=by_hand,
        asked_ns=time_ns,
        through_minute=through_minute,
        files=len(state.files),
        day=day_number(settlement_day(settles_ns)),
    )
    state.windows.ask(window)
    return window


def open_window(state: State, message: OpenWindow) -> None:
    """Work on a window that the house opens in all shards."""
    through_minute, asked_ns = message.through_minute, message.asked_ns
    window = ask_window(state, through_minute=through_minute, by_hand=message.by_hand, time_ns=asked_ns)
    invariant(window.number == message.number, "a window has one number in all shards", number=message.number)
    window.allowed = Phase.CREDITS
    state.has_asked = False


def go_on(state: State, message: GoOn) -> None:
    """Let the open window enter a phase that all shards may be in now."""
    window = state.windows.current
    invariant(window is not None and window.number == message.window, "the open window goes on", said=message.window)
    if window is not None:
        window.allowed, window.waits = message.phase, False


def taking(state: State, *, through_minute: int = 0) -> Window | None:
    """The first window that has not closed, goes through a minute, and takes all that is due by its own: of what came
    behind it nothing is.
    """
    for window in state.windows.all[state.windows.closed :]:
        is_late = state.files.earliest_due(first=window.files) <= window.through_minute
        if window.through_minute >= through_minute and not is_late:
            return window
    return None


def _advance(state: State, window: Window, *, time_ns: int) -> None:
    """Settle the next slice; if there is none, close the window, or wait for other shards."""
    while window.phase < Phase.NET:
        if len(state.sent) >= SENT_MAX:
            # An answer to one of them lets it go on.
            window.waits = True
            return
        found = _next_slice(state, window)
        if found is not None:
            _work_on(state, window, file=found[0], rows=found[1], time_ns=time_ns)
            return
        if not _may_go_on(state, window):
            window.waits = True
            return
        window.phase, window.file, window.row = window.phase + 1, 0, 0
    _close(state, window, time_ns=time_ns)


def _work_on(state: State, window: Window, *, file: File, rows: Places, time_ns: int) -> None:
    """Do a slice: here, or by asking the shards of the receivers."""
    if window.phase == Phase.ANSWERS:
        answer_step(state, window, file, rows=rows, time_ns=time_ns)
        return
    far = state.are_elsewhere(file.entries["rdfi"][rows])
    if far.any():
        send_entries(state, window, file, rows=rows[far], time_ns=time_ns)
    if not far.all():
        settle_step(state, window, file, rows=rows[~far], time_ns=time_ns)


def _may_go_on(state: State, window: Window) -> bool:
    """Whether a phase that is done here is done everywhere; if no answer is missing, tell the house that it is."""
    if window.allowed > window.phase:
        return True
    if not state.sent and window.told < window.phase:
        window.told = window.phase
        state.caller.tell_house(PhaseDone(window.number, window.phase))
    return False


def _ask(state: State, *, time_ns: int) -> None:
    """Have a window opened for what is due: here, or by the house, in all shards."""
    through_minute = state.files.next_due_minute
    if state.is_alone:
        ask_window(state, through_minute=through_minute, by_hand=False, time_ns=time_ns)
    elif not state.has_asked:
        state.has_asked = True
        state.caller.tell_house(AskWindow(through_minute, len(state.windows.all)))


def _next_slice(state: State, window: Window) -> tuple[File, Places] | None:
    """The next entries that the window's phase works on, all of one file; moves the window's place behind them."""
    while window.file < window.files:
        file = state.files[window.file]
        if file.next_due_minute > window.through_minute or window.row >= file.record.entries:
            window.file, window.row = window.file + 1, 0
            continue
        end = window.row + state.steps.entries
        rows = _due(file, window, end=end)
        if window.phase == Phase.ANSWERS and rows.size > state.steps.answers:
            rows = rows[: state.steps.answers]
            end = int(rows[-1]) + 1
        window.row = end
        if rows.size:
            return file, rows
    return None


def _due(file: File, window: Window, *, end: int) -> Places:
    """Entries from the window's place on that are due and of its phase."""
    piece = slice(window.row, end)
    state, entries = file.state[piece], file.entries[piece]
    chosen = (state["state"] == EntryState.PENDING) & (state["due_minute"] <= window.through_minute)
    is_forward = entries["category"] == Category.FORWARD
    if window.phase == Phase.ANSWERS:
        chosen &= ~is_forward
    else:
        chosen &= is_forward & (credit_side(entries) == (window.phase == Phase.CREDITS))
    return window.row + np.flatnonzero(chosen)


def _close(state: State, window: Window, *, time_ns: int) -> None:
    """Settle the net positions; then every clearing account is at zero."""
    institutions = len(state.directory.institutions)
    owed = clearing_balances(state.ledger, institutions)
    total = int(owed.sum())
    invariant(not state.is_alone or total == 0, "what all owe is what all are owed", owed=owed.tolist())
    credited = clearing_turnover(state.ledger, institutions)
    before = np.array(state.windows.turnover + [0] * (institutions - len(state.windows.turnover)), "i8")
    gross = credited - before
    positions = [
        Position(each, int(gross[each]), int(gross[each] - owed[each]), int(owed[each]))
        for each in np.flatnonzero((gross > 0) | (owed != 0)).tolist()
    ]
    settle_net(state.ledger, owed, window=window.number, time_ns=time_ns)
    left = clearing_balances(state.ledger, institutions)
    invariant(not left.any(), "a window leaves every clearing account at zero", left=left.tolist())
    state.windows.turnover = clearing_turnover(state.ledger, institutions).tolist()
    state.windows.close(window, positions, time_ns=time_ns)
    state.files.find_due(through_minute=window.through_minute)
    if not state.is_alone:
        state.caller.tell_house(Closed(window.number, total))
