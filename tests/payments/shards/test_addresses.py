"""Where accounts are kept: by their ids alone, the same everywhere and for ever."""

import numpy as np
import pytest

from ropewalk.core.place import Place
from ropewalk.systems.payments.ledger.layout import TRANSFER, get, rows_of
from ropewalk.systems.payments.processing.books import Holder, Move, account_id
from ropewalk.systems.payments.shards.addresses import (
    full_id,
    name_accounts,
    own_accounts,
    shard_of,
    shards_of,
    to_full,
    to_short,
)

FIVE = Place("payments", 3, 5)


def test_an_account_that_payments_opened_says_its_shard() -> None:
    for partition in range(5):
        place = Place("payments", partition, 5)
        full = full_id(account_id(Holder.DEPOSIT, 7), place)
        assert [shard_of(full, Place("payments", anywhere, 5)) for anywhere in range(5)] == [partition] * 5
        assert full & 2**64 - 1 == account_id(Holder.DEPOSIT, 7) & 2**64 - 1


def test_what_names_no_shard_or_one_that_is_not_there_is_in_none() -> None:
    assert shard_of(account_id(Holder.DEPOSIT, 7), FIVE) == -1
    assert shard_of(full_id(account_id(Holder.DEPOSIT, 7), Place("payments", 6, 7)), FIVE) == -1


def test_accounts_with_equal_upper_halves_are_kept_together() -> None:
    high = np.arange(1, 2_000, dtype="u8")
    shards = shards_of(high, FIVE)
    assert shards.tolist() == [shard_of(int(each) << 64 | 5, FIVE) for each in high]
    counts = np.bincount(shards, minlength=5)
    assert counts.min() > 300, "neighbours are spread over all of them"


def test_the_shard_of_an_id_never_changes() -> None:
    assert [shard_of(half << 64 | 1, FIVE) for half in range(10)] == FIRST


FIRST = [0, 0, 0, 3, 3, 3, 2, 2, 2, 3]


def test_with_one_shard_everything_is_as_it_is() -> None:
    alone = Place("payments")
    high = np.array([0, 1, account_id(Holder.DEPOSIT, 7) >> 64], "u8")
    assert shards_of(high, alone).tolist() == [0, 0, 0]
    assert to_full(high, alone).tolist() == to_short(high, alone).tolist() == high.tolist()


def test_rows_come_out_as_they_went_in() -> None:
    own, other = account_id(Holder.DEPOSIT, 7), full_id(account_id(Holder.DEPOSIT, 7), Place("payments", 0, 5))
    rows = rows_of(
        TRANSFER,
        [
            {"id": 5, "debit_account_id": full_id(own, FIVE), "credit_account_id": other},
            {"id": 6, "debit_account_id": other, "credit_account_id": full_id(own, FIVE)},
        ],
    )
    kept = own_accounts(rows, FIVE)
    assert get(kept[0], "debit_account_id") == get(kept[1], "credit_account_id") == own
    assert get(kept[0], "credit_account_id") == other
    assert name_accounts(kept, FIVE).tobytes() == rows.tobytes()


@pytest.mark.parametrize(("move", "has_room"), [(Move.POST, True), (Move.SHARD_VOID, True), (Move.INSTANT_IN, False)])
def test_transfers_are_named_with_their_shard_if_their_ids_have_room(move: Move, has_room: bool) -> None:
    number = 0xAC << 120 | move << 112 | 9
    named = name_accounts(rows_of(TRANSFER, [{"id": number}]), FIVE)
    assert (get(named[0], "id") != number) == has_room
