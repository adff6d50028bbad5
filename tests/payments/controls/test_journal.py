"""The journal keeps every entry for ever, in order, whatever is in memory and whatever on the shelf."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ropewalk.engines.memory import MemoryShelf
from ropewalk.systems.payments.controls import journal as kept
from ropewalk.systems.payments.controls.journal import Journal
from ropewalk.systems.payments.controls.messages import ControlView

PIECE = 4


def entry(number: int, account: str) -> ControlView:
    routing = "bank" if account else ""
    return ControlView(number, number, "ann", f"reason {number}", "freeze", routing, account, "", {})


@settings(max_examples=60, deadline=None)
@given(
    accounts=st.lists(st.sampled_from(["", "1", "2"]), max_size=30),
    start=st.integers(-2, 32),
    limit=st.integers(1, 9),
    about=st.sampled_from(["", "1", "2", "3"]),
)
def test_a_page_is_what_was_added_in_order(accounts: list[str], start: int, limit: int, about: str) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kept, "JOURNAL_PIECE", PIECE)
        shelf = MemoryShelf()
        journal = Journal(shelf)
        entries = [entry(number, account) for number, account in enumerate(accounts)]
        for each in entries:
            journal.add(each)
        again = Journal(shelf)
        again.load(journal.save())
        chosen = [each for each in entries[max(start, 0) :] if about in ("", each.account)]
        for one in (journal, again):
            assert one.listed(start, limit, about=("bank", about) if about else ("", "")) == chosen[:limit]
            assert len(one) == len(entries)
            assert one.blobs() == shelf.names()


def test_memory_holds_the_words_of_one_piece_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "JOURNAL_PIECE", PIECE)
    journal, sizes = Journal(MemoryShelf()), []
    for number in range(40):
        journal.add(entry(number, ""))
        sizes.append(len(journal.save()))
    assert max(sizes[20:]) <= max(sizes[:20]) + 8
