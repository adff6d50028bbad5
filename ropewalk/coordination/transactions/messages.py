"""What transactions are made of, what they are asked, and what they answer.

    Move(id, …)  ──parts──►  Part(key="ada", hold=Hold(…), commit=Commit(…), abort=Abort(…))
                             Part(key="ben", hold=Hold(…), commit=Commit(…), abort=Abort(…))

Checked by: tests/coordination/test_transactions.py
"""

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeVar

import msgspec

from ropewalk.coordination.commit import Commit, Decision

HELD: Final = "held"
"""The reply to a hold that says yes. Any other is the reason why not."""

ENDED: Final = "ended"
"""The event of a transaction whose parts are all done, or let go."""


class Identified(Protocol):
    """The command of a caller who wants a transaction: its id says which one, so the same id is done once."""

    @property
    def id(self) -> str:
        """Chosen by the caller."""
        ...


C = TypeVar("C", bound=Identified)


class Part(msgspec.Struct, frozen=True):
    """What a transaction does at one key: commands of the service that has it, which only partitions may send.

    `hold` is answered with HELD, and then exactly one of `commit` and `abort` comes, once. `commit` can't be refused.
    No two parts of a transaction are at one key: what is held there is told apart by the transaction's id.
    """

    key: str
    hold: msgspec.Struct
    commit: msgspec.Struct
    abort: msgspec.Struct
    service: str = ""


PartsOf = Callable[[C], Sequence[Part]]


class HeldPart(msgspec.Struct, frozen=True):
    """What is remembered of a part: where it is, and what is sent there when the decision is made."""

    service: str
    key: str
    commit: bytes
    abort: bytes


class Transaction(msgspec.Struct, frozen=True):
    """The state of one. `request` tells its command from another with the same id."""

    request: bytes
    parts: tuple[HeldPart, ...]
    commit: Commit
    began_ns: int


class Ask(msgspec.Struct, frozen=True, tag="ask_decision"):
    """What was decided? For a participant whose hold is past its deadline; the reply is a `Decision`."""

    id: str


class Expire(msgspec.Struct, frozen=True, tag="expire_transaction"):
    """A timer: votes are waited for no longer."""

    id: str


class Forget(msgspec.Struct, frozen=True, tag="forget_transaction"):
    """A timer: a transaction ended long ago."""

    id: str


class GetTransaction(msgspec.Struct, frozen=True, tag=True):
    """How a transaction is."""

    id: str


class ListTransactions(msgspec.Struct, frozen=True, tag=True):
    """Those of one partition that have not ended, or all, by their ids, from behind `after` on."""

    is_open: bool = True
    after: str = ""
    limit: int = 100


class Progress(msgspec.Struct, frozen=True, tag=True):
    """How a transaction is. When it `has_ended`, every part is done, or let go.

    `waits_for` are the keys whose vote is missing, or which have not yet confirmed the decision.
    """

    id: str
    decision: Decision
    why: str = ""
    has_ended: bool = False
    waits_for: Sequence[str] = ()
    began_ns: int = 0


class Refused(msgspec.Struct, frozen=True, tag=True):
    """Nothing was begun, and why: id_used, bad_id, bad_parts, full, unknown."""

    reason: str
    detail: str = ""


Reply = Progress | Refused
Query = GetTransaction | ListTransactions
