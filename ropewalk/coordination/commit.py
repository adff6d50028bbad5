"""Two-phase commit: every participant of a transaction does its part, or none does.

First each participant *holds* its part, so that it can do it whatever comes, and votes. Then the coordinator decides,
once, in a record of its own partition, and tells them. What is held is nobody's business here: these are the two
state machines, without messages, clocks or money.

    coordinator            what happens              becomes      who is to be told
    (nothing)              begin                     undecided    everybody, to hold
    undecided              a yes, others missing     undecided
    undecided              the last yes              committed    everybody
    undecided              a no                      aborted      those who have said yes
    undecided              the deadline passes       aborted      those who have said yes
    aborted                a yes that comes late     aborted      who said it
    aborted                a no that comes late      aborted
    committed, aborted     the deadline passes       as it was
    committed, aborted     one confirms              as it was    when nobody is missing it has ended
    anything               one asks                  as it was    who asks; of what is forgotten: aborted

    participant            what happens              becomes
    (nothing)              hold, and it can          prepared     it votes yes
    (nothing)              hold, and it can't        aborted      it votes no
    prepared               hold again                prepared     it votes yes again
    prepared               its deadline passes       prepared     it may ask, and never guesses
    prepared               the decision              committed or aborted
    (nothing)              abort                     aborted      so a hold that comes later gets a no
    committed, aborted     the same decision again   as it was

Promise:    a decision never changes; it is committed only if everybody voted yes; what is prepared stays so until the
            decision comes.
Not given:  that a hold ends while its coordinator's partition is down: who has voted yes can't know the decision.
Checked by: tests/coordination/test_commit.py
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from ropewalk.errors import invariant


class Decision(StrEnum):
    """What a coordinator has decided."""

    UNDECIDED = "undecided"
    COMMITTED = "committed"
    ABORTED = "aborted"


class Commit(msgspec.Struct, frozen=True):
    """A transaction as its coordinator knows it.

    Of its participants some have not voted yet (`silent`), and some hold what was decided about and have not
    confirmed the decision (`unconfirmed`). `why` says what it was aborted for.
    """

    participants: tuple[str, ...]
    deadline_ns: int
    silent: tuple[str, ...]
    unconfirmed: tuple[str, ...] = ()
    decision: Decision = Decision.UNDECIDED
    why: str = ""

    @property
    def waits_for(self) -> tuple[str, ...]:
        """Those of whom a vote or a confirmation is still to come."""
        return tuple(each for each in self.participants if each in self.silent or each in self.unconfirmed)

    @property
    def has_ended(self) -> bool:
        """True if it is decided and nobody holds anything: nobody will ask, and it may be forgotten."""
        return self.decision is not Decision.UNDECIDED and not self.waits_for


def begin(participants: Sequence[str], *, deadline_ns: int) -> Commit:
    """A transaction that nobody has voted on yet."""
    everybody = tuple(participants)
    invariant(bool(everybody), "a transaction has participants")
    invariant(len({*everybody}) == len(everybody), "each takes part once", participants=everybody)
    return Commit(everybody, deadline_ns, silent=everybody)


def vote(commit: Commit, participant: str, *, refusal: str = "") -> Commit:
    """What a participant's vote makes of it: without a `refusal` a yes. Only the first vote of each counts."""
    if participant not in commit.silent:
        return commit
    voted = msgspec.structs.replace(commit, silent=_without(commit.silent, participant))
    is_decided = commit.decision is not Decision.UNDECIDED
    if refusal:
        return voted if is_decided else _aborted(voted, but=participant, why=refusal)
    if is_decided:
        return msgspec.structs.replace(voted, unconfirmed=(*voted.unconfirmed, participant))
    if voted.silent:
        return voted
    return msgspec.structs.replace(voted, decision=Decision.COMMITTED, unconfirmed=commit.participants)


def expire(commit: Commit, *, now_ns: int) -> Commit:
    """What time makes of it: past its deadline it is aborted, if it is undecided."""
    if commit.decision is not Decision.UNDECIDED or now_ns < commit.deadline_ns:
        return commit
    return _aborted(commit, why=f"no vote in time from {', '.join(commit.silent)}")


def to_tell(before: Commit, after: Commit) -> tuple[str, ...]:
    """Whom to tell the decision after a step: each who holds something hears it once."""
    return tuple(each for each in after.unconfirmed if each not in before.unconfirmed)


def confirm(commit: Commit, participant: str) -> Commit:
    """A participant has done what was decided."""
    invariant(commit.decision is not Decision.UNDECIDED, "only a decision is confirmed", commit=commit)
    return msgspec.structs.replace(commit, unconfirmed=_without(commit.unconfirmed, participant))


def decision_of(commit: Commit | None) -> Decision:
    """The answer to a participant who asks. None is a transaction that has ended and was forgotten.

    Only one that nobody waits for is forgotten, so who still asks can't have prepared it: aborted is always right.
    """
    return Decision.ABORTED if commit is None else commit.decision


class Stand(StrEnum):
    """How a participant stands in a transaction; None if it has not heard of it."""

    PREPARED = "prepared"
    COMMITTED = "committed"
    ABORTED = "aborted"


def hold(stand: Stand | None, *, can: bool) -> Stand:
    """What a request to hold makes of a participant's part. It votes yes unless that is ABORTED.

    It holds what is asked just when a part that was None becomes PREPARED.
    """
    if stand is not None:
        return stand
    return Stand.PREPARED if can else Stand.ABORTED


def decide(stand: Stand | None, decision: Decision) -> Stand | None:
    """What a decision makes of it. What was held is done, or let go, just when a PREPARED part becomes another."""
    if decision is Decision.UNDECIDED:
        return stand
    told = Stand.COMMITTED if decision is Decision.COMMITTED else Stand.ABORTED
    was_held = stand is not None and stand is not Stand.ABORTED
    invariant(was_held or told is Stand.ABORTED, "only what everybody holds is committed", stand=stand)
    invariant(stand in (None, Stand.PREPARED, told), "a decision never changes", stand=stand, told=told)
    return told


def _aborted(commit: Commit, *, why: str, but: str = "") -> Commit:
    """Those who have said yes are to be told; who has said no holds nothing."""
    said_yes = tuple(each for each in commit.participants if each not in commit.silent and each != but)
    return msgspec.structs.replace(commit, decision=Decision.ABORTED, unconfirmed=said_yes, why=why)


def _without(participants: tuple[str, ...], participant: str) -> tuple[str, ...]:
    return tuple(each for each in participants if each != participant)
