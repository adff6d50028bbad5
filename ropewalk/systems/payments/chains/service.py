"""Payments with chains: debit here, credit there, settle, notify; each institution does its own part.

    payer ──pending──► what its bank owes the other       what the other bank is owed ──► payee
      1 hold                                                2 credit
      3 settle: the pending transfer is posted              4 notify: the event `chain_completed`

Neither bank holds anything for the other: the first reserves its own customer's money, the second pays its own
customer out of what it is owed, and only then the first settles. What is refused undoes what came before: the hold is
released; a credit is taken back, and if the payee has it no more, the chain is stuck until an operator sees to it.

Promise:    a chain's id moves money at most once, for ever; money is held, moved on both sides or on neither, or the
            chain is listed.
Not given:  that nobody sees the credit of a chain that is undone after it.
Checked by: tests/payments/chains/test_chains.py
"""

from functools import lru_cache
from itertools import count
from typing import Annotated, Final

import msgspec

from ropewalk.coordination.neighbours import Call
from ropewalk.coordination.sagas.definition import Replies, Saga, Step
from ropewalk.core.effects import Publish
from ropewalk.core.place import Place, partition_of
from ropewalk.runtime.sagas.service import with_sagas
from ropewalk.runtime.service import Service
from ropewalk.systems.payments.chains.messages import (
    GiveBack,
    Message,
    Pay,
    Release,
    Reserve,
    Settle,
    TakeBack,
    Transfer,
    encode,
)
from ropewalk.systems.payments.shards.addresses import shard_of

AccountId = Annotated[str, msgspec.Meta(pattern="^([1-9][0-9]{0,37}|[12][0-9]{38}|3[0-3][0-9]{37})$")]
"""The id of an account in decimals: what has more, or more than 3.4e38, is no 128-bit integer."""

Word = Annotated[int, msgspec.Meta(ge=1, le=2**32 - 1)]

_DONE: Final = "created"
_TIMEOUT_S: Final = 60
_TAKEN_BACK_RETRIES: Final = 3


class Chain(msgspec.Struct, frozen=True):
    """A payment from a customer of one institution to one of another, in the smallest unit of a ledger.

    `payer_bank` is the account of the payer's institution for what it owes the other, `payee_bank` the account of the
    payee's for what it is owed.
    """

    id: str
    payer: AccountId
    payer_bank: AccountId
    payee_bank: AccountId
    payee: AccountId
    amount: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    ledger: Word = 1
    code: Annotated[int, msgspec.Meta(ge=1, le=2**16 - 1)] = 1


def with_chains(payments: Service) -> Service:
    """Payments, and beside them the chains that go through their shards."""
    return with_sagas(payments, chain_saga(Place(payments.name, 0, payments.partitions)))


def chain_saga(place: Place) -> Saga:
    """The definition of a chain through the shards of the service at `place`."""

    def to_payer(chain: Chain, message: Message) -> Call:
        return _call(place, chain.payer, message)

    def to_payee(chain: Chain, message: Message) -> Call:
        return _call(place, chain.payee, message)

    def debit(chain: Chain) -> Transfer:
        return _transfer(chain, chain.payer, chain.payer_bank)

    def credit(chain: Chain) -> Transfer:
        return _transfer(chain, chain.payee_bank, chain.payee)

    return Saga(
        "chain",
        input=Chain,
        steps=[
            Step(
                "hold",
                do=lambda chain, _: to_payer(chain, Reserve(chain.id, debit(chain))),
                done=_DONE,
                undo=lambda chain, _: to_payer(chain, Release(chain.id)),
                # What was posted meanwhile is given back by the step that posted it.
                undone=lambda reply: reply in (_DONE, "pending_transfer_already_posted"),
                timeout_s=_TIMEOUT_S,
            ),
            Step(
                "credit",
                do=lambda chain, _: to_payee(chain, Pay(chain.id, credit(chain))),
                done=_DONE,
                undo=lambda chain, _: to_payee(chain, TakeBack(chain.id, _reversed(credit(chain)))),
                undone=_DONE,
                timeout_s=_TIMEOUT_S,
                retries=_TAKEN_BACK_RETRIES,
            ),
            Step(
                "settle",
                do=lambda chain, _: to_payer(chain, Settle(chain.id)),
                done=_DONE,
                undo=lambda chain, _: to_payer(chain, GiveBack(chain.id, _reversed(debit(chain)))),
                undone=_DONE,
                timeout_s=_TIMEOUT_S,
            ),
            Step("notify", do=_notify),
        ],
    )


def _notify(chain: Chain, _: Replies) -> Publish:
    return Publish("chain_completed", chain.id, chain)


def _transfer(chain: Chain, debit: str, credit: str) -> Transfer:
    return Transfer(_id(debit), _id(credit), chain.amount, chain.ledger, chain.code)


def _reversed(transfer: Transfer) -> Transfer:
    return msgspec.structs.replace(transfer, debit=transfer.credit, credit=transfer.debit)


def _id(account: str) -> bytes:
    return int(account).to_bytes(16, "little")


def _call(place: Place, account: str, message: Message) -> Call:
    shard = max(0, shard_of(int(account), place))
    return Call(place.service, _key_of(shard, place.partitions), encode(message))


@lru_cache
def _key_of(shard: int, partitions: int) -> str:
    """A key whose partition is that shard: accounts are spread by a hash of their own."""
    return next(key for key in map(str, count()) if partition_of(key, partitions) == shard)
