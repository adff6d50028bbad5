"""Chains of one payment over two institutions: what moves, what is undone, what is stuck, and nothing twice."""

import asyncio
import itertools

import pytest

from ropewalk.coordination.sagas.messages import Compensate, Resolve, Retry
from ropewalk.coordination.sagas.state import State
from ropewalk.core.codec import encode_value
from ropewalk.core.machine import NO_ID, Received, Request
from ropewalk.core.place import Place
from ropewalk.engines.memory import MemoryEngine, MemoryShelf
from ropewalk.errors import Rejected
from ropewalk.runtime.node import open_node
from ropewalk.runtime.sagas.calls import start, wait_saga
from ropewalk.systems.payments.chains.chains import Chains
from ropewalk.systems.payments.chains.messages import CHAINS, Release, encode
from ropewalk.systems.payments.chains.service import Chain
from ropewalk.systems.payments.ledger.commands import Operation
from ropewalk.systems.payments.ledger.commands import encode as encode_rows
from ropewalk.systems.payments.ledger.layout import ACCOUNT, rows_of
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.processing.books import Holder, account_id
from ropewalk.systems.payments.service import payments
from tests.coordination.joined import Step
from tests.payments.chains.banks import LIMITED, PAYEE, PAYEE_BANK, PAYER, PAYER_BANK, SAGAS, SHOP, Banks


def moved(banks: Banks) -> list[int]:
    return [banks.balance(account)[0] for account in (PAYER, PAYER_BANK, PAYEE_BANK, PAYEE)]


def test_a_chain_holds_here_credits_there_settles_and_tells() -> None:
    banks = Banks()
    banks.start("c1", 40)
    for _ in range(2):
        banks.joined.do(Step("deliver", 1))
    assert (banks.balance(PAYER), banks.balance(PAYEE)) == ((100, 40), (0, 0))
    banks.joined.settle()
    assert moved(banks) == [60, 40, -40, 40]
    assert banks.joined.events(SAGAS)[-2:] == [("chain_completed", "c1"), ("completed", "c1")]


def test_what_the_payer_has_not_is_never_credited() -> None:
    banks = Banks()
    banks.start("c1", 101)
    banks.joined.settle()
    assert (banks.state("c1"), moved(banks)) == ("compensated", [100, 0, 0, 0])


def test_what_the_second_institution_refuses_is_released_at_the_first() -> None:
    banks = Banks()
    banks.start("c1", 40, payee=str(SHOP + 99))
    banks.joined.settle(seconds=10)
    assert (banks.state("c1"), banks.balance(PAYER)) == ("compensated", (100, 0))


def test_a_completed_chain_is_given_back_on_both_sides() -> None:
    banks = Banks()
    banks.start("c1", 40)
    banks.joined.settle()
    banks.joined.call(SAGAS, Compensate("c1", "ada", "paid by mistake"))
    banks.joined.settle()
    assert (banks.state("c1"), moved(banks)) == ("compensated", [100, 0, 0, 0])


def test_what_the_payee_has_spent_is_stuck_until_it_is_there_again_or_somebody_sees_to_it() -> None:
    banks = Banks()
    for id_ in ("c1", "c2"):
        banks.start(id_, 40)
        banks.joined.settle()
    assert banks.pay(1, 901, PAYEE, SHOP, 80) is TransferStatus.CREATED
    for id_ in ("c1", "c2"):
        banks.joined.call(SAGAS, Compensate(id_, "ada", "paid by mistake"))
        banks.joined.settle(seconds=20)
        assert banks.state(id_) == "stuck"
    assert banks.pay(1, 902, SHOP, PAYEE, 40) is TransferStatus.CREATED
    banks.joined.call(SAGAS, Retry("c1", "ada", "it is there again"))
    banks.joined.settle()
    assert banks.state("c1") == "compensated"
    banks.joined.call(SAGAS, Resolve("c2", "credit", "ben", "written off, case 12"))
    banks.joined.settle()
    assert (banks.state("c2"), banks.balance(PAYER), banks.balance(PAYEE)) == ("compensated", (100, 0), (0, 0))


def test_the_same_chain_started_again_after_it_was_forgotten_moves_nothing() -> None:
    banks = Banks()
    banks.start("c1", 40)
    banks.joined.settle()
    banks.joined.pass_time(30 * 86_400)
    banks.start("c1", 40)
    banks.joined.settle(seconds=10)
    assert (banks.state("c1"), moved(banks)) == ("compensated", [60, 40, -40, 40])


@pytest.mark.parametrize("amount", [40, 101])
def test_a_crash_at_any_record_of_any_partition_ends_in_the_same_balances(amount: int) -> None:
    whole = Banks()
    whole.start("c1", amount)
    steps = whole.joined.settle(seconds=2)
    expected = (whole.state("c1"), moved(whole))
    for at, log in itertools.product(range(min(steps, 8)), whole.joined.partitions):
        banks = Banks()
        banks.start("c1", amount)
        for _ in range(at):
            banks.joined.do(Step("deliver", 1))
        banks.joined.crash(log)
        for number in range(at):
            banks.joined.do(Step("again", number))
        banks.joined.settle(seconds=2)
        assert (banks.state("c1"), moved(banks)) == expected


@pytest.mark.parametrize("payer", ["0", "ada", str(2**128), "-1", "1.5"])
def test_what_is_no_account_is_refused_when_a_chain_is_started(payer: str) -> None:
    assert Banks().start("c1", 1, payer=payer)["reason"] == "bad_input"


def test_accounts_that_payments_keeps_in_order_are_not_moved_by_chains() -> None:
    banks = Banks()
    shard_0 = 1 << 96
    banks.start("c1", 40, payer_bank=str(account_id(Holder.CLEARING, 0) | shard_0))
    banks.joined.settle()
    assert (banks.state("c1"), moved(banks)) == ("compensated", [100, 0, 0, 0])
    steps = banks.view("c1")["steps"]
    assert isinstance(steps, list)
    assert steps[0]["why"] == "not_allowed"


def test_callers_can_not_say_what_chains_say() -> None:
    machine = Banks().joined.partitions["payments/0"].machine
    with pytest.raises(Rejected, match="only the chain of a payment sends this"):
        machine.vet(encode(Release("c1")))
    chains = Chains(Ledger(MemoryShelf()), Place("payments"))
    with pytest.raises(Rejected, match="messages of chains came from callers"):
        chains.apply([Request(NO_ID, CHAINS).command], time_ns=1)
    with pytest.raises(Rejected, match="chains answer no queries"):
        chains.read(CHAINS)
    with pytest.raises(Rejected, match="not a message of a chain"):
        chains.receive(Received("a/0", CHAINS + encode_value(1)), time_ns=1)


def test_a_node_of_payments_runs_chains_beside_it() -> None:
    async def main() -> None:
        async with open_node(payments, MemoryEngine()) as node:
            for row in ({"id": 1, "flags": LIMITED}, {"id": 2}, {"id": 3}, {"id": 4}):
                rows = rows_of(ACCOUNT, [row | {"ledger": 1, "code": 1}])
                await node.submit([Request(NO_ID, encode_rows(Operation.CREATE_ACCOUNTS, rows))])
            started = await start(node, "chain", Chain("c1", "1", "2", "3", "4", 10), id_="c1")
            assert started.state in (State.RUNNING, State.COMPENSATED)
            ended = await wait_saga(node, "c1")
            assert (ended.state, ended.why) == (State.COMPENSATED, "hold: exceeds_credits")

    asyncio.run(main())
