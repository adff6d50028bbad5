"""Returns, and answers to them, about entries that are kept in another shard: judged there, ended here.

    returner's shard ──claims──► originator's shard     judges, brings the original into its state, makes its leg
                     ◄─verdicts─                        what is against it, or the leg that is to be made here

A trace number begins with the eight digits of who originated, so it says where the original is. A dishonored return
is judged where it is submitted, and what goes back to the receiver is paid there.

Promise:    as of `answers`; both legs of what goes back are made before the window settles its net positions.
Checked by: tests/payments/processing/test_shards.py
"""

import numpy as np

from ropewalk.systems.payments.processing.answers import Ended, Objection, effect, end_answers
from ropewalk.systems.payments.processing.books import Party, of_shard, pay_leg
from ropewalk.systems.payments.processing.elsewhere import FarLeg, Judged, JudgeThere, Paid, PayThere, Verdict
from ropewalk.systems.payments.processing.state import SentClaims, State
from ropewalk.systems.payments.processing.windows import Window

ELSEWHERE = -1
"""The index of an institution that is kept in another shard."""


def judge_there(state: State, message: JudgeThere, *, time_ns: int) -> Judged:
    """Do what another shard's entries ask of entries here, or object."""
    verdicts = []
    for claim in message.claims:
        objection, leg = effect(state, claim, sender=ELSEWHERE, day=message.day, time_ns=time_ns)
        code, information = (0, b"") if objection is None else objection
        verdicts.append(Verdict(claim.row, code, information, leg))
    return Judged(message.number, verdicts)


def hear_judged(state: State, window: Window, reply: Judged, *, sent: SentClaims, shard: int, time_ns: int) -> None:
    """End the entries that were judged, and make the legs of their receivers."""
    ended = []
    for verdict in reply.verdicts:
        if verdict.leg is not None:
            _make(state, verdict.leg, shard=shard, time_ns=time_ns)
        objection = Objection(verdict.objection, verdict.information) if verdict.objection else None
        ended.append(Ended(verdict.row, objection))
    end_answers(state, window, state.files[sent.file], ended=ended)


def pay_there(state: State, shard: int, message: PayThere, *, time_ns: int) -> Paid:
    """Make a receiver's leg."""
    _make(state, message.leg, shard=shard, time_ns=time_ns)
    return Paid(message.number)


def _make(state: State, leg: FarLeg, *, shard: int, time_ns: int) -> None:
    """The leg of a receiver here, of an entry of that shard."""
    rdfis = state.directory.find_institutions(np.array([leg.rdfi], "u4"))
    account = int(state.directory.find_accounts(rdfis, np.array([leg.account], "S17"))[0])
    entry = (of_shard(leg.file, shard), leg.row, leg.before)
    party = Party(account, int(rdfis[0]))
    pay_leg(state.ledger, entry, party, amount=leg.amount, time_ns=time_ns, brings=leg.brings)
