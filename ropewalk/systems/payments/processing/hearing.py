"""What a shard does when another one says or answers something about ACH.

Checked by: tests/payments/processing/test_shards.py
"""

from ropewalk.errors import invariant
from ropewalk.systems.payments.processing.answers_elsewhere import hear_judged, judge_there, pay_there
from ropewalk.systems.payments.processing.elsewhere import (
    AnyMessage,
    AnyReply,
    AskWindow,
    Closed,
    FileDecided,
    FilePlaced,
    GoOn,
    Judged,
    JudgeThere,
    OpenWindow,
    Paid,
    PartTaken,
    PayThere,
    PhaseDone,
    Settled,
    SettleThere,
    TakePart,
)
from ropewalk.systems.payments.processing.entries_elsewhere import hear_settled, settle_there
from ropewalk.systems.payments.processing.files_elsewhere import hear_decided, hear_part, hear_placed, hear_taken
from ropewalk.systems.payments.processing.house import hear_ask, hear_closed, hear_done
from ropewalk.systems.payments.processing.state import SentClaims, SentEntries, State
from ropewalk.systems.payments.processing.work import go_on, open_window


def hear_message(state: State, shard: int, message: AnyMessage, *, time_ns: int) -> AnyReply | None:
    """Do what another shard asks; return what it is answered, if it asked something."""
    match message:
        case SettleThere():
            return settle_there(state, shard, message, time_ns=time_ns)
        case JudgeThere():
            return judge_there(state, message, time_ns=time_ns)
        case PayThere():
            return pay_there(state, shard, message, time_ns=time_ns)
        case AskWindow():
            hear_ask(state.house, state.caller, message, time_ns=time_ns)
        case OpenWindow():
            open_window(state, message)
        case PhaseDone():
            hear_done(state.house, state.caller, message, shard=shard)
        case GoOn():
            go_on(state, message)
        case Closed():
            hear_closed(state.house, state.caller, message, shard=shard)
        case TakePart():
            hear_part(state, shard, message)
        case PartTaken():
            hear_taken(state, shard, message, time_ns=time_ns)
        case FileDecided():
            hear_decided(state, shard, message, time_ns=time_ns)
        case FilePlaced():
            hear_placed(state, shard, message)
    return None


def hear_answer(state: State, shard: int, reply: AnyReply, *, time_ns: int) -> None:
    """End what was asked of another shard; the window, which waited for that, may go on."""
    sent, window = state.sent.pop(reply.number), state.windows.current
    invariant(window is not None, "an answer comes while its window is open", number=reply.number)
    if window is None:
        return
    window.waits = False
    match reply, sent:
        case Settled(), SentEntries():
            hear_settled(state, window, reply, sent=sent, time_ns=time_ns)
        case Judged(), SentClaims():
            hear_judged(state, window, reply, sent=sent, shard=shard, time_ns=time_ns)
        case Paid(), _:
            pass
        case _:
            invariant(False, "what was asked is answered", asked=type(sent).__name__, answer=type(reply).__name__)
