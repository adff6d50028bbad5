"""Whatever is sealed, merged or loaded again, the ledger is the same; and an id is used at most once, for ever."""

import numpy as np
import pytest

from ropewalk.engines.memory import MemoryShelf
from ropewalk.systems.payments.ledger.layout import (
    ACCOUNT,
    ACCOUNT_FILTER,
    TRANSFER,
    AccountFilterFlags,
    ids_of,
    rows_of,
)
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.ledger.statuses import TransferStatus

ACCOUNTS = 9
TRANSFERS = 3_000
"""With segments of four rows and eight runs a merge these make runs of four levels."""


def small(shelf: MemoryShelf) -> Ledger:
    return Ledger(shelf, segment_rows=4, piece_entries=16)


def opened(shelf: MemoryShelf) -> Ledger:
    ledger = small(shelf)
    ledger.create_accounts(
        rows_of(ACCOUNT, [{"id": n, "ledger": 1, "code": 1} for n in range(1, ACCOUNTS + 1)]), time_ns=1
    )
    return ledger


def batches(order: str) -> list[np.ndarray]:
    """Transfers of one or a few, with ids that rise, fall, or do neither; some fail for ever, some are pending."""
    random = np.random.default_rng(7)
    ids = {
        "rising": np.arange(1, TRANSFERS + 1),
        "falling": np.arange(TRANSFERS, 0, -1),
        "random": random.permutation(TRANSFERS) + 1,
    }[order]
    rows = np.zeros(TRANSFERS, TRANSFER)
    rows["id_low"], rows["id_high"] = ids, ids % 3
    rows["debit_account_id_low"] = random.integers(1, ACCOUNTS, TRANSFERS)
    rows["credit_account_id_low"] = ACCOUNTS
    rows["credit_account_id_low"][::50] = ACCOUNTS + 1
    rows["flags"][5::20] = 2
    rows["amount_low"], rows["ledger"], rows["code"] = 1, 1, 1
    ends = np.cumsum(random.integers(1, 6, TRANSFERS))
    return np.split(rows, ends[ends < TRANSFERS])


@pytest.mark.parametrize("order", ["rising", "falling", "random"])
def test_an_id_is_used_at_most_once_however_much_is_sealed_and_merged(order):
    shelf = MemoryShelf()
    ledger = opened(shelf)
    asked = batches(order)
    first = np.concatenate([ledger.create_transfers(rows, time_ns=2) for rows in asked])
    created = first["status"] == TransferStatus.CREATED
    assert set(np.flatnonzero(~created)) == set(range(0, TRANSFERS, 50))
    accounts = ledger.lookup_accounts(ids_of(range(1, ACCOUNTS + 1))).tobytes()

    again = np.concatenate([ledger.create_transfers(rows, time_ns=2) for rows in asked])
    assert np.all(again["status"][created] == TransferStatus.EXISTS)
    assert np.all(again["timestamp"][created] == first["timestamp"][created])
    assert np.all(again["status"][~created] == TransferStatus.ID_ALREADY_FAILED)
    assert ledger.lookup_accounts(ids_of(range(1, ACCOUNTS + 1))).tobytes() == accounts
    assert any(name.startswith("ids-") and name.endswith("-000010") for name in ledger.save().blobs), "no deep merge"


def test_a_pending_transfer_is_resolved_once_wherever_it_lies():
    ledger = opened(MemoryShelf())
    asked = np.concatenate(batches("random"))
    ledger.create_transfers(asked, time_ns=2)
    pending = asked[(asked["flags"] == 2) & (asked["credit_account_id_low"] == ACCOUNTS)]
    posts = np.zeros(pending.size, TRANSFER)
    posts["id_low"] = 10_000 + np.arange(pending.size)
    posts["pending_id_low"], posts["pending_id_high"] = pending["id_low"], pending["id_high"]
    posts["amount_low"] = posts["amount_high"] = 2**64 - 1
    posts["flags"] = 4
    results = [ledger.create_transfers(rows, time_ns=3) for rows in np.split(posts, 30)]
    assert np.all(np.concatenate(results)["status"] == TransferStatus.CREATED)
    posts["id_low"] += 10_000
    results = [ledger.create_transfers(rows, time_ns=3) for rows in np.split(posts, 30)]
    assert np.all(np.concatenate(results)["status"] == TransferStatus.PENDING_TRANSFER_ALREADY_POSTED)
    assert not np.any(ledger.lookup_accounts(ids_of(range(1, ACCOUNTS + 1)))["debits_pending_low"])
    ledger.check()


def test_a_restart_at_any_point_changes_nothing():
    shelf, restarted_shelf = MemoryShelf(), MemoryShelf()
    ledger, restarted = opened(shelf), opened(restarted_shelf)
    for number, rows in enumerate(batches("random")[:400]):
        results = ledger.create_transfers(rows, time_ns=2)
        if number % 3 == 0:
            parts = {name: bytes(part) for name, part in restarted.save().parts.items()}
            restarted = small(restarted_shelf)
            restarted.load(parts)
        assert restarted.create_transfers(rows, time_ns=2).tobytes() == results.tobytes()
    assert restarted.digest() == ledger.digest()
    assert restarted.save().blobs == ledger.save().blobs


def test_a_replay_puts_the_same_blobs_again():
    shelf = MemoryShelf()
    ledger = opened(shelf)
    asked = batches("random")
    for rows in asked[:200]:
        ledger.create_transfers(rows, time_ns=2)
    saved = {name: bytes(part) for name, part in ledger.save().parts.items()}
    for rows in asked[200:500]:
        ledger.create_transfers(rows, time_ns=2)
    before = {name: bytes(shelf.get(name)) for name in shelf.names()}

    replayed = small(shelf)
    replayed.load(saved)
    for rows in asked[200:500]:
        replayed.create_transfers(rows, time_ns=2)
    assert {name: bytes(shelf.get(name)) for name in shelf.names()} == before
    assert replayed.digest() == ledger.digest()


def test_a_ledger_needs_no_blob_but_those_it_names():
    shelf = MemoryShelf()
    ledger = opened(shelf)
    asked = batches("random")
    for rows in asked[:600]:
        ledger.create_transfers(rows, time_ns=2)
    saved = ledger.save()
    bare = MemoryShelf()
    for name in saved.blobs:
        bare.put(name, shelf.get(name))
    assert len(bare.names()) < len(shelf.names()), "merges leave blobs behind"
    loaded = small(bare)
    loaded.load({name: bytes(part) for name, part in saved.parts.items()})
    for rows in asked[600:]:
        assert (
            loaded.create_transfers(rows, time_ns=2).tobytes() == ledger.create_transfers(rows, time_ns=2).tobytes()
        )
    assert loaded.digest() == ledger.digest()


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize("limit", [1, 7, 8_190])
def test_the_history_of_an_account_is_in_order_across_segments(limit, is_reversed):
    ledger = opened(MemoryShelf())
    asked = np.concatenate(batches("falling"))
    results = np.concatenate([ledger.create_transfers(rows, time_ns=2) for rows in np.split(asked, 300)])
    is_created = results["status"] == TransferStatus.CREATED
    for account_id in (1, 5, ACCOUNTS):
        of_account = (asked["debit_account_id_low"] == account_id) | (asked["credit_account_id_low"] == account_id)
        expected = results["timestamp"][is_created & of_account]
        flags = AccountFilterFlags.DEBITS | AccountFilterFlags.CREDITS
        if is_reversed:
            expected, flags = expected[::-1], flags | AccountFilterFlags.REVERSED
        chosen = rows_of(ACCOUNT_FILTER, [{"account_id": account_id, "limit": limit, "flags": int(flags)}])[0]
        assert ledger.account_transfers(chosen)["timestamp"].tolist() == expected[:limit].tolist()


def test_memory_does_not_hold_what_is_sealed():
    ledger = opened(MemoryShelf())
    for rows in batches("rising"):
        ledger.create_transfers(rows, time_ns=2)
    parts = ledger.save().parts
    assert sum(memoryview(part).nbytes for name, part in parts.items() if name != "segments") < 10_000


def test_any_number_of_rows_may_come_at_once():
    shelf = MemoryShelf()
    ledger = Ledger(shelf, segment_rows=1_024, piece_entries=512)
    ledger.create_accounts(rows_of(ACCOUNT, [{"id": n, "ledger": 1, "code": 1} for n in (1, 2)]), time_ns=1)
    rows = np.zeros(100_000, TRANSFER)
    rows["id_low"] = np.arange(1, 100_001)
    rows["debit_account_id_low"], rows["credit_account_id_low"] = 1, 2
    rows["amount_low"], rows["ledger"], rows["code"] = 1, 1, 1
    rows["flags"][:-1] = 1
    results = ledger.create_transfers(rows, time_ns=2)
    assert np.all(results["status"] == TransferStatus.CREATED)
    again = ledger.create_transfers(rows, time_ns=2)["status"]
    assert again[0] == TransferStatus.EXISTS
    assert np.all(again[1:] == TransferStatus.LINKED_EVENT_FAILED)
