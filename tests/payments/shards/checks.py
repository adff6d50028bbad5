"""What is true of several shards at any moment, and what once nothing is on its way.

Not a test. Raises AssertionError with the numbers.
"""

from collections.abc import Iterable

from ropewalk.systems.payments.ledger.commands import Operation, decode_reply, encode
from ropewalk.systems.payments.ledger.hot import FAILED, HELD, PENDING, PLAIN, POSTED, VOIDED
from ropewalk.systems.payments.ledger.layout import ACCOUNT, get, ids_of
from ropewalk.systems.payments.shards.between import Between
from tests.payments.shards.town import Shard, Town, undecided

LEDGER = 1
ABSENT = 255
_STATES = {"failed": FAILED, "held": HELD, "pending": PENDING, "plain": PLAIN, "posted": POSTED, "voided": VOIDED}
NAMES = {int(state): name for name, state in _STATES.items()} | {ABSENT: "absent"}


def check_cut(town: Town, accounts: Iterable[int]) -> int:
    """Money is conserved at this moment: what is on its way is accounted for. Return how much that is."""
    total = sum(town.balance(account)[0] for account in accounts)
    on_its_way = 0
    for ours in town.shards:
        for theirs in town.shards:
            if ours is not theirs:
                sent, leaving = _standing(ours, theirs.place.partition, "credits")
                taken, coming = _standing(theirs, ours.place.partition, "debits")
                facts = (sent, taken, leaving, coming)
                assert -leaving <= sent - taken <= coming, ("only what is held is on its way", facts)
                on_its_way += sent - taken
    assert total + on_its_way == 0, ("no money is made or lost", total, on_its_way)
    return on_its_way


def check_rest(town: Town, accounts: Iterable[int], transfers: Iterable[int]) -> None:
    """Nothing is undecided, and each transfer (of these ids) has one outcome in both of its shards."""
    assert undecided(town) == 0, "everything is decided"
    assert check_cut(town, accounts) == 0, "nothing is on its way"
    for account in accounts:
        _, debits, credits = town.balance(account)
        assert (debits, credits) == (0, 0), ("nothing is held", account, debits, credits)
    for number in transfers:
        for shard in town.shards:
            if state_of(shard, number) == "posted":
                query = encode(Operation.LOOKUP_TRANSFERS, ids_of([number]))
                (row,) = decode_reply(Operation.LOOKUP_TRANSFERS, shard.machine.read(query))
                homes = [town.shard_of(get(row, f"{side}_account_id")) for side in ("debit", "credit")]
                told = [state_of(town.shards[home], number) for home in homes]
                assert told == ["posted", "posted"], ("no transfer is half done", number, told)


def state_of(shard: Shard, number: int) -> str:
    """What a shard knows of a transfer."""
    (state,) = shard.machine.accounting.ledger.states_of(ids_of([number])).tolist()
    return NAMES[state]


def _standing(shard: Shard, peer: int, side: str) -> tuple[int, int]:
    """What a shard ever sent to another (its credits) or took from it (its debits), and what it holds beside."""
    between: Between = shard.machine.shards.state.holds.between
    peers, rows = between.accounts(LEDGER)
    assert rows.dtype == ACCOUNT
    if peer not in peers:
        return 0, 0
    row = rows[peers.index(peer)]
    return get(row, f"{side}_posted"), get(row, f"{side}_pending")
