"""The coordinator of transactions as a keyed machine: one key a transaction, its own commands from the service's.

    Move ──► holds ──► replies, or the deadline ──► decision ──► commits or aborts ──► replies ──► ended

A step of it is a record: whatever is killed, the next leader goes on where the record says. Messages take effect once
and always arrive, so nothing here is sent twice.

Promise:    of a transaction's parts all are committed or none is; each that was held hears the decision once.
Not given:  isolation of two keys that are read one after the other: for that there is `read_settled` in the runtime.
Checked by: tests/coordination/test_transactions.py, test_transactions_everywhere.py,
            ropewalk.proving.workloads.transfers
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from heapq import nsmallest
from typing import Final, Generic

import msgspec

from ropewalk.coordination.commit import Commit, Decision, begin, confirm, decision_of, expire, to_tell, vote
from ropewalk.coordination.neighbours import Call, Neighbours, place_of, refusal, send, words_of
from ropewalk.coordination.transactions.limits import (
    PARTS_MAX,
    TRANSACTION_ID_CHARS_MAX,
    TRANSACTION_WHY_CHARS_MAX,
    TRANSACTIONS_KEPT_S,
    TRANSACTIONS_MAX,
    TRANSACTIONS_PAGE_MAX,
)
from ropewalk.coordination.transactions.messages import (
    ENDED,
    HELD,
    Ask,
    C,
    Expire,
    Forget,
    GetTransaction,
    HeldPart,
    ListTransactions,
    Part,
    PartsOf,
    Progress,
    Query,
    Refused,
    Transaction,
)
from ropewalk.core.codec import checksum, encode_value
from ropewalk.core.effects import At, Effect, Publish, Replied, Send
from ropewalk.core.keyed import Applied, Entry
from ropewalk.errors import invariant

UNKNOWN: Final = Refused("unknown", "no transaction of this id is remembered")

_S: Final = 10**9
_HOLD, _DECISION = "hold", "decision"


class Rules(msgspec.Struct, Generic[C], frozen=True):
    """What makes a service's transactions: the parts of a command, who has them (`home` if a part says nothing else),
    and how long their votes are waited for.
    """

    home: str
    parts: PartsOf[C]
    neighbours: Neighbours
    timeout_ns: int
    transactions_max: int = TRANSACTIONS_MAX


def apply(
    state: Mapping[str, Transaction], entry: Entry[C | Ask | Expire | Forget | Replied], *, rules: Rules[C]
) -> Applied[Transaction]:
    """Take one step of one transaction."""
    now_ns = entry.time_ns
    match entry.command:
        case Replied(tag, reply):
            kind, part, id_ = tag.split("/", 2)
            before = state[id_]
            after = confirm(before.commit, part) if kind == _DECISION else _voted(before.commit, part, reply)
            return _moved(id_, before, after=after, now_ns=now_ns, rules=rules)
        case Expire(id_) if id_ in state:
            after = expire(state[id_].commit, now_ns=now_ns)
            return _moved(id_, state[id_], after=after, now_ns=now_ns, rules=rules)
        case Expire():
            return Applied(None)
        case Forget(id_):
            return Applied(None, {id_: None})
        case Ask(id_):
            found = state.get(id_)
            return Applied(decision_of(found.commit if found else None))
        case command:
            return _begun(state, command, now_ns=now_ns, rules=rules)


def answer(state: Mapping[str, Transaction], query: Query) -> object:
    """Answer one question."""
    match query:
        case GetTransaction(id_):
            found = state.get(id_)
            return UNKNOWN if found is None else _progress(id_, found)
        case ListTransactions(is_open, after, limit):
            chosen = (i for i, t in state.items() if i > after and not (is_open and t.commit.has_ended))
            first = nsmallest(max(0, min(limit, TRANSACTIONS_PAGE_MAX)), chosen)
            return [_progress(id_, state[id_]) for id_ in first]


def check(state: Mapping[str, Transaction]) -> None:
    """What is always true of the whole state."""
    for id_, transaction in state.items():
        commit = transaction.commit
        invariant(len(commit.participants) == len(transaction.parts), "each part takes part", id=id_)
        is_decided = commit.decision is not Decision.UNDECIDED
        invariant(is_decided or bool(commit.silent), "when all have voted it is decided", id=id_)
        invariant(is_decided or not commit.unconfirmed, "only a decision waits for confirmation", id=id_)


def _begun(state: Mapping[str, Transaction], command: C, *, now_ns: int, rules: Rules[C]) -> Applied[Transaction]:
    """A caller's command: have all its parts held, unless it is a repeat or can't be."""
    id_, request = command.id, checksum(encode_value(command))
    known = state.get(id_)
    if known is not None and known.request == request:
        return Applied(_progress(id_, known))
    if known is not None:
        return Applied(Refused("id_used", f"{id_!r} was used before, for another transaction: take a new id"))
    parts = () if (refused := _refused(state, id_, rules=rules)) else rules.parts(command)
    refused = refused or _unfit(parts, rules)
    if refused:
        return Applied(refused)
    deadline_ns = now_ns + rules.timeout_ns
    commit = begin([str(index) for index in range(len(parts))], deadline_ns=deadline_ns)
    transaction = Transaction(request, tuple(_kept(part, rules) for part in parts), commit, now_ns)
    holds = [
        send(rules.neighbours, _call(part, part.hold, rules=rules), tag=f"{_HOLD}/{index}/{id_}")
        for index, part in enumerate(parts)
    ]
    return Applied(_progress(id_, transaction), {id_: transaction}, [*holds, At(deadline_ns, Expire(id_))])


def _refused(state: Mapping[str, Transaction], id_: str, *, rules: Rules[C]) -> Refused | None:
    """Why no transaction of this id can begin now."""
    if not 1 <= len(id_) <= TRANSACTION_ID_CHARS_MAX:
        return Refused("bad_id", f"an id has 1 to {TRANSACTION_ID_CHARS_MAX} characters, and this one {len(id_)}")
    if len(state) >= rules.transactions_max:
        return Refused("full", f"{len(state)} transactions are remembered: try again when some are forgotten")
    return None


def _unfit(parts: Sequence[Part], rules: Rules[C]) -> Refused | None:
    """Why these are no parts of a transaction."""
    if not 1 <= len(parts) <= PARTS_MAX:
        return Refused("bad_parts", f"a transaction has 1 to {PARTS_MAX} parts, and this one {len(parts)}")
    places = Counter((part.service or rules.home, part.key) for part in parts)
    (service, key), count = places.most_common(1)[0]
    if count > 1:
        # They would hold under one id: who keeps what is held by its id forgets all but the last of them.
        return Refused("bad_parts", f"{count} parts are at {key!r} of {service}: let one do what all of them do")
    calls = (_call(part, each, rules=rules) for part in parts for each in (part.hold, part.commit, part.abort))
    why = next((why for call in calls if (why := refusal(rules.neighbours, call))), "")
    return Refused("bad_parts", why) if why else None


def _call(part: Part, command: msgspec.Struct, *, rules: Rules[C]) -> Call:
    return Call(part.service or rules.home, part.key, command)


def _kept(part: Part, rules: Rules[C]) -> HeldPart:
    return HeldPart(part.service or rules.home, part.key, encode_value(part.commit), encode_value(part.abort))


def _voted(commit: Commit, part: str, reply: object) -> Commit:
    if reply == HELD:
        return vote(commit, part)
    return vote(commit, part, refusal=words_of(reply, chars_max=TRANSACTION_WHY_CHARS_MAX) or "no reason was given")


def _moved(id_: str, before: Transaction, *, after: Commit, now_ns: int, rules: Rules[C]) -> Applied[Transaction]:
    """What happened to a transaction: tell its parts the decision if it was made, and others how it is."""
    transaction = msgspec.structs.replace(before, commit=after)
    progress = _progress(id_, transaction)
    if after.has_ended:
        # What is left is its answer: there are many more of those than of transactions that are under way.
        transaction = msgspec.structs.replace(transaction, parts=(), commit=_closed(after))
    effects: list[Effect] = [
        _decision(before.parts[int(index)], after.decision, tag=f"{_DECISION}/{index}/{id_}", rules=rules)
        for index in to_tell(before.commit, after)
    ]
    if after.decision is not before.commit.decision:
        effects.append(Publish(after.decision, id_, progress))
    if after.has_ended and not before.commit.has_ended:
        effects += [Publish(ENDED, id_, progress), At(now_ns + TRANSACTIONS_KEPT_S * _S, Forget(id_))]
    return Applied(None, {id_: transaction}, effects)


def _closed(ended: Commit) -> Commit:
    return Commit((), ended.deadline_ns, (), decision=ended.decision, why=ended.why)


def _decision(part: HeldPart, decision: Decision, *, tag: str, rules: Rules[C]) -> Send:
    command = part.commit if decision is Decision.COMMITTED else part.abort
    return Send(part.key, command, tag, at=place_of(rules.neighbours, part.service))


def _progress(id_: str, transaction: Transaction) -> Progress:
    commit, parts = transaction.commit, transaction.parts
    return Progress(
        id_,
        commit.decision,
        commit.why,
        has_ended=commit.has_ended,
        waits_for=[parts[int(index)].key for index in commit.waits_for],
        began_ns=transaction.began_ns,
    )
