"""Planted bugs in how a ledger takes transfers, and that the scenarios find them."""

import asyncio
from collections.abc import Callable
from itertools import count

import numpy as np
import pytest

from ropewalk.systems.payments.ledger.layout import TRANSFER, Rows, TransferFlags
from ropewalk.systems.payments.ledger.ledger import Ends, Ledger
from ropewalk.systems.payments.service import payments_with
from tests.payments.rest import scenes
from tests.payments.rest.scenes import Check
from tests.runtime.served import client_of

Spoil = Callable[[Ledger, Rows], Rows]


def run(check: Check, spoil: Spoil) -> None:
    """Check a service whose ledger creates what `spoil` makes of the rows that it is given."""

    async def main() -> None:
        async with client_of(payments_with()) as (client, _):
            with pytest.MonkeyPatch.context() as monkeypatch:
                plant(monkeypatch, spoil)
                await check(client, 1)

    asyncio.run(main())


def plant(monkeypatch: pytest.MonkeyPatch, spoil: Spoil) -> None:
    create = Ledger.create_transfers

    def create_spoilt(ledger: Ledger, rows: Rows, *, time_ns: int, ends: Ends = None) -> Rows:
        return create(ledger, spoil(ledger, np.array(rows, TRANSFER)), time_ns=time_ns, ends=ends)

    monkeypatch.setattr(Ledger, "create_transfers", create_spoilt)


@pytest.mark.parametrize("check", scenes.CHECKS, ids=lambda check: check.__name__)
def test_without_a_bug_nothing_is_found(check: Check) -> None:
    run(check, lambda _, rows: rows)


def test_what_is_pending_can_be_spent() -> None:
    def forget_pending(ledger: Ledger, rows: Rows) -> Rows:
        ledger._accounts.rows["debits_pending_low"] = 0
        return rows

    with pytest.raises(AssertionError):
        run(scenes.pending_debits_never_allow_overspending, forget_pending)


def test_what_was_posted_is_posted_again() -> None:
    def post_plainly(ledger: Ledger, rows: Rows) -> Rows:
        posts = np.flatnonzero(rows["flags"] == TransferFlags.POST_PENDING_TRANSFER)
        for place in posts.tolist():
            pending = ledger.lookup_transfers(_pending_ids(rows[place : place + 1]))
            plain = rows[place : place + 1]
            for field in ("debit_account_id", "credit_account_id"):
                plain[f"{field}_low"], plain[f"{field}_high"] = pending[f"{field}_low"], pending[f"{field}_high"]
            plain["pending_id_low"], plain["flags"], plain["ledger"], plain["code"] = 0, 0, 1, 1
        return rows

    with pytest.raises(AssertionError):
        run(scenes.concurrent_commits_end_in_one, post_plainly)


def test_an_id_is_not_known_again() -> None:
    numbers = count(10_000)

    def forget_id(_: Ledger, rows: Rows) -> Rows:
        if rows["id_low"][0] < 10:
            rows["id_low"] = [next(numbers) for _ in rows]
        return rows

    with pytest.raises(AssertionError):
        run(scenes.the_same_key_is_safe_for_ever, forget_id)


def test_all_or_nothing_is_some() -> None:
    def forget_links(_: Ledger, rows: Rows) -> Rows:
        rows["flags"] &= ~np.uint16(TransferFlags.LINKED)
        return rows

    with pytest.raises(AssertionError):
        run(scenes.bulk_is_all_or_nothing_or_goes_on, forget_links)


def _pending_ids(rows: Rows) -> Rows:
    ids = np.zeros(rows.size, [("id_low", "<u8"), ("id_high", "<u8")])
    ids["id_low"], ids["id_high"] = rows["pending_id_low"], rows["pending_id_high"]
    return ids
