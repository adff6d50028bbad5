"""The coordinator of transactions alone: bounds, bad parts, what is asked, what is forgotten, what is told."""

from collections.abc import Sequence
from functools import partial

import msgspec

from ropewalk.coordination.neighbours import Neighbour
from ropewalk.coordination.transactions.limits import PARTS_MAX, TRANSACTIONS_KEPT_S
from ropewalk.coordination.transactions.machine import Rules, answer, apply, check
from ropewalk.coordination.transactions.messages import (
    HELD,
    Ask,
    Expire,
    Forget,
    GetTransaction,
    ListTransactions,
    Part,
    Query,
    Transaction,
)
from ropewalk.core.chain import Position
from ropewalk.core.codec import encode_value
from ropewalk.core.keyed import KeyedMachine
from ropewalk.core.machine import NO_ID, Batch, Outcome, Received, Request
from ropewalk.core.place import Place

S = 10**9


class Do(msgspec.Struct, frozen=True, tag=True):
    """Something at these keys; what is done there is the key's own name."""

    id: str
    keys: Sequence[str]
    service: str = ""


class Touch(msgspec.Struct, frozen=True, tag=True):
    what: str


def parts(command: Do) -> list[Part]:
    return [
        Part(key, Touch(f"hold {key}"), Touch(f"commit {key}"), Touch(f"abort {key}"), command.service)
        for key in command.keys
    ]


class Desk:
    """One partition of a coordinator, whose messages stay on the desk."""

    def __init__(self, **bounds: int) -> None:
        neighbours = {"shop": Neighbour(Place("shop"), (Touch,)), "mute": Neighbour(Place("mute"))}
        rules = Rules("shop", parts, neighbours, 10 * S, **bounds)
        self.machine: KeyedMachine[Transaction, object, Query] = KeyedMachine(
            "shop-transactions",
            commands=Do,
            messages=Ask | Expire | Forget,
            value=Transaction,
            queries=Query,
            apply=partial(apply, rules=rules),
            answer=answer,
            check=check,
        )
        self.now_s = 0
        self._position = 0
        self.sent: list[tuple[str, str, bytes]] = []
        self.events: list[tuple[str, str]] = []

    def ask(self, command: msgspec.Struct) -> object:
        return msgspec.msgpack.decode(self._apply(requests=[Request(NO_ID, encode_value(command))]).replies[-1])

    def hear(self, reply: object, tag: bytes) -> None:
        self._apply(messages=[Received("shop/0", encode_value(reply), tag, is_reply=True)])

    def asked(self, command: msgspec.Struct) -> object:
        outcome = self._apply(messages=[Received("shop/0", encode_value(command))])
        return msgspec.msgpack.decode(outcome.replies[0])

    def later(self, seconds: int) -> None:
        self.now_s += seconds
        self._apply()

    def see(self, query: object) -> object:
        return msgspec.msgpack.decode(self.machine.read(encode_value(query)))

    def told(self) -> list[str]:
        sent, self.sent = self.sent, []
        return [msgspec.msgpack.decode(command)["what"] for _, _, command in sent]

    def _apply(self, requests: Sequence[Request] = (), messages: Sequence[Received] = ()) -> Outcome:
        self._position += 1
        outcome = self.machine.apply(Batch(Position(self._position), self.now_s * S, requests, messages))
        self.machine.check()
        self.sent += [(message.to, message.tag.decode(), message.command) for message in outcome.sent]
        self.events += [(event.kind, event.subject) for event in outcome.events]
        return outcome


def test_all_yes_is_a_commit_and_what_happened_is_told() -> None:
    desk = Desk()
    desk.ask(Do("t", ["a", "b"]))
    assert desk.told() == ["hold a", "hold b"]
    desk.hear(HELD, b"hold/0/t")
    assert (desk.told(), desk.events) == ([], [])
    desk.hear(HELD, b"hold/1/t")
    assert (desk.told(), desk.events) == (["commit a", "commit b"], [("committed", "t")])
    desk.hear("done", b"decision/0/t")
    desk.hear("done", b"decision/1/t")
    assert desk.events == [("committed", "t"), ("ended", "t")]


def test_a_no_aborts_those_who_hold_and_any_reply_but_held_is_a_no() -> None:
    for reply, why in ((["not", 1], '["not",1]'), ("", "no reason was given"), (None, "null")):
        desk = Desk()
        desk.ask(Do("t", ["a", "b"]))
        desk.hear(HELD, b"hold/0/t")
        desk.told()
        desk.hear(reply, b"hold/1/t")
        assert desk.told() == ["abort a"]
        assert desk.see(GetTransaction("t")) == {
            "type": "Progress", "id": "t", "decision": "aborted", "why": why, "has_ended": False, "waits_for": ["a"],
            "began_ns": 0,
        }  # fmt: skip


def test_a_yes_that_comes_after_the_deadline_is_answered_with_abort() -> None:
    desk = Desk()
    desk.ask(Do("t", ["a", "b"]))
    desk.told()
    desk.later(9)
    assert desk.asked(Ask("t")) == "undecided"
    desk.later(1)
    assert desk.asked(Ask("t")) == "aborted"
    desk.hear(HELD, b"hold/1/t")
    assert desk.told() == ["abort b"]


def test_a_participant_who_asks_hears_the_decision_and_of_what_is_forgotten_that_it_was_aborted() -> None:
    desk = Desk()
    desk.ask(Do("t", ["a"]))
    assert desk.asked(Ask("t")) == "undecided"
    desk.hear(HELD, b"hold/0/t")
    assert desk.asked(Ask("t")) == "committed"
    assert desk.asked(Ask("another")) == "aborted"


def test_an_id_is_forgotten_some_time_after_its_end_and_never_before() -> None:
    desk = Desk()
    desk.ask(Do("t", ["a"]))
    desk.hear(HELD, b"hold/0/t")
    desk.later(2 * TRANSACTIONS_KEPT_S)
    assert desk.asked(Ask("t")) == "committed"
    desk.hear("done", b"decision/0/t")
    desk.later(TRANSACTIONS_KEPT_S - 1)
    assert desk.ask(Do("t", ["b"])) == {
        "type": "Refused", "reason": "id_used",
        "detail": "'t' was used before, for another transaction: take a new id",
    }  # fmt: skip
    desk.later(1)
    assert desk.see(ListTransactions(is_open=False)) == []


def test_a_deadline_longer_than_ids_are_kept_finds_nothing_to_do() -> None:
    desk = Desk()
    desk.ask(Do("t", ["a"]))
    desk.hear("no", b"hold/0/t")
    desk.machine.apply(Batch(Position(99), 0, [], [Received("x/0", encode_value(Expire("gone")))]))


def reason(reply: object) -> str:
    assert isinstance(reply, dict)
    return f"{reply['reason']}: {reply['detail']}"


def test_what_can_not_be_a_transaction_is_refused_with_the_reason() -> None:
    desk = Desk(transactions_max=1)
    assert reason(desk.ask(Do("t", []))) == "bad_parts: a transaction has 1 to 64 parts, and this one 0"
    assert reason(desk.ask(Do("t", [str(each) for each in range(PARTS_MAX + 1)]))).endswith(
        "1 to 64 parts, and this one 65"
    )
    assert reason(desk.ask(Do("t", ["a"], "bank"))) == "bad_parts: there is no service 'bank' here, but mute, shop"
    assert reason(desk.ask(Do("t", ["a"], "mute"))) == "bad_parts: mute takes bytes, and Touch was to be sent there"
    assert reason(desk.ask(Do("t", ["a", "b", "a"]))) == (
        "bad_parts: 2 parts are at 'a' of shop: let one do what all of them do"
    )
    assert reason(desk.ask(Do("x" * 129, ["a"]))).endswith("1 to 128 characters, and this one 129")
    assert desk.sent == []
    desk.ask(Do("t", ["a"]))
    assert reason(desk.ask(Do("u", ["a"]))).startswith("full: 1 transactions are remembered")
    assert reason(desk.see(GetTransaction("u"))).startswith("unknown: no transaction of this id")


def test_those_that_are_open_are_listed_by_their_ids() -> None:
    desk = Desk()
    for id_ in ("c", "a", "b"):
        desk.ask(Do(id_, ["k"]))
    desk.hear("no", b"hold/0/b")
    assert [each["id"] for each in desk.see(ListTransactions())] == ["a", "c"]  # type: ignore[attr-defined]
    assert [each["id"] for each in desk.see(ListTransactions(after="a", limit=1))] == ["c"]  # type: ignore[attr-defined]
    assert len(desk.see(ListTransactions(is_open=False))) == 3  # type: ignore[arg-type]
