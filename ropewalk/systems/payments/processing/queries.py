"""Answering queries: nothing here changes anything.

Checked by: tests/payments/processing/test_machine.py
"""

from collections.abc import Iterator

import numpy as np

from ropewalk.core.place import Place
from ropewalk.errors import Rejected
from ropewalk.systems.payments.ledger.guards import NAMES_OF_SIDES
from ropewalk.systems.payments.ledger.layout import ACCOUNT_FILTER, AccountFilterFlags, TransferFlags, get, put
from ropewalk.systems.payments.processing.books import (
    USD,
    Holder,
    Move,
    account_id,
    lookup,
    shard_of_file,
    standing_number,
)
from ropewalk.systems.payments.processing.calendar import MINUTE_NS, day_of
from ropewalk.systems.payments.processing.directory import AccountKind, Restriction
from ropewalk.systems.payments.processing.entry_views import entry_views
from ropewalk.systems.payments.processing.files import NO_MINUTE, File
from ropewalk.systems.payments.processing.files_elsewhere import submission
from ropewalk.systems.payments.processing.layouts import EntryState, Places, Rows
from ropewalk.systems.payments.processing.limits import PAGE_MAX
from ropewalk.systems.payments.processing.messages import (
    AnyQuery,
    GetAccount,
    GetFile,
    GetProgress,
    GetReturnFile,
    GetStatement,
    GetSubmission,
    GetTrialBalance,
    GetWindow,
    ListAccounts,
    ListEntries,
    ListFiles,
    ListInstitutions,
    ListNotices,
    ListOriginators,
    ListReturnFiles,
    ListWindows,
)
from ropewalk.systems.payments.processing.outgoing import return_files, write_return_file
from ropewalk.systems.payments.processing.state import State
from ropewalk.systems.payments.processing.views import (
    AccountView,
    BalanceLine,
    FileView,
    InstitutionView,
    NoticeView,
    OriginatorView,
    PositionView,
    Progress,
    ReturnFileView,
    StateCount,
    StatementLine,
    StatementView,
    TrialBalance,
    WindowView,
)
from ropewalk.systems.payments.processing.windows import Window
from ropewalk.systems.payments.processing.work import taking
from ropewalk.systems.payments.shards.addresses import full_id


def answer(state: State, query: AnyQuery) -> object:
    """What a query asks. Raises Rejected if it names what is not there."""
    match query:
        case ListInstitutions():
            return [_institution(state, each) for each in _page(state, len(state.directory.institutions), query)]
        case ListAccounts():
            return _accounts(state, np.array(_page(state, state.directory.accounts.size, query), "i8"))
        case GetAccount():
            return _accounts(state, np.array([_slot(state, query.routing, query.number)]))[0]
        case ListOriginators():
            return [_originator(state, each) for each in _page(state, len(state.directory.originators), query)]
        case ListFiles():
            return [_file(state, state.files[each]) for each in _page(state, len(state.files), query)]
        case GetFile():
            return _file(state, _file_named(state, query.file))
        case GetSubmission():
            return submission(state, query.checksum, repeated=False)
        case ListEntries():
            return entry_views(_file_named(state, query.file), query)
        case ListWindows():
            return [_window(state, state.windows.all[each]) for each in _windows_page(state, query)]
        case GetWindow():
            return _window(state, _window_named(state, query.window))
        case ListReturnFiles():
            return _return_files(state, _closed_window(state, query.window))
        case GetReturnFile():
            return _return_file(state, query)
        case ListNotices():
            return [_notice(state, each) for each in _page(state, len(state.notices), query)]
        case GetStatement():
            return _statement(state, query)
        case GetTrialBalance():
            return _trial_balance(state)
        case GetProgress():
            return _progress(state)


_HALF = 2**32 - 1
_Paged = ListInstitutions | ListAccounts | ListOriginators | ListFiles | ListNotices


def _page(state: State, count: int, query: _Paged) -> range:
    """The numbers here of what is behind `after`, which callers know by other numbers if there are several shards."""
    first = max(state.local(query.after) + 1, 0)
    return range(first, min(count, first + _limit(query.limit)))


def _windows_page(state: State, query: ListWindows) -> range:
    """The numbers behind `after`: a window has one number in all shards."""
    first = max(query.after + 1, 0)
    return range(first, min(len(state.windows.all), first + _limit(query.limit)))


def _limit(limit: int) -> int:
    if not 1 <= limit <= PAGE_MAX:
        raise Rejected(f"a page has 1 to {PAGE_MAX} rows, not {limit}")
    return limit


def _institution(state: State, number: int) -> InstitutionView:
    institution = state.directory.institutions[number]
    one = np.array([number])
    settlement, clearing, suspense = (
        _owed(lookup(state.ledger, holder, one)[0])
        for holder in (Holder.SETTLEMENT, Holder.CLEARING, Holder.SUSPENSE)
    )
    return InstitutionView(
        state.number_of(number), f"{_full(state, Holder.SETTLEMENT, number)}", institution.routing, institution.name,
        -settlement, clearing, suspense,
    )  # fmt: skip


def _owed(row: np.void) -> int:
    """Posted credits less posted debits."""
    return get(row, "credits_posted") - get(row, "debits_posted")


def _accounts(state: State, slots: Places) -> list[AccountView]:
    rows, balances = state.directory.accounts[slots], lookup(state.ledger, Holder.DEPOSIT, slots)
    places = state.ledger.slots_of(balances[["id_low", "id_high"]])
    frozen = [NAMES_OF_SIDES[state.ledger.guards.frozen_of(place)] for place in places.tolist()]
    return [
        AccountView(
            number=state.number_of(slot),
            ledger_id=f"{_full(state, Holder.DEPOSIT, slot)}",
            routing=state.directory.institutions[row["institution"]].routing,
            account=row["number"].decode(),
            name=row["name"].decode("latin-1"),
            kind=AccountKind(row["kind"]).name.lower(),
            is_corporate=bool(row["is_corporate"]),
            overdraft=bool(row["has_overdraft"]),
            restriction=Restriction(row["restriction"]).name.lower(),
            balance_cents=_owed(balance),
            available_cents=_owed(balance) - get(balance, "debits_pending"),
            frozen=sides,
        )
        for slot, row, balance, sides in zip(slots.tolist(), rows, balances, frozen, strict=True)
    ]


def _full(state: State, holder: Holder, number: int) -> int:
    """The id of an account as all shards know it."""
    return full_id(account_id(holder, number), state.place)


def _slot(state: State, routing: str, number: str) -> int:
    slot = state.directory.find_account(state.directory.find_institution(routing), number)
    if slot < 0:
        raise Rejected(f"{routing!r} has no account {number!r}")
    return slot


def _originator(state: State, number: int) -> OriginatorView:
    originator = state.directory.originators[number]
    routing = state.directory.institutions[originator.institution].routing
    account = state.directory.accounts["number"][originator.account].decode()
    return OriginatorView(state.number_of(number), routing, originator.company_id, originator.name, account)


def _file_named(state: State, number: int) -> File:
    local = state.local(number)
    if not 0 <= local < len(state.files) or state.number_of(local) != number:
        raise Rejected(f"there is no file {number}: the list of files has their numbers")
    return state.files[local]


def _file(state: State, file: File) -> FileView:
    record, key = file.record, file.record.key
    states = {state.name.lower(): StateCount(*file.tally[state].tolist()) for state in EntryState}
    return FileView(
        state.number_of(record.number), key.origin, key.destination, key.created, key.modifier,
        record.checksum.hex(), record.time_ns, record.batches, record.entries, record.debit_cents,
        record.credit_cents, states, _due_ns(file.next_due_minute), record.parts,
    )  # fmt: skip


def _due_ns(minute: int) -> int | None:
    return None if minute == NO_MINUTE else minute * MINUTE_NS


def _window_named(state: State, number: int) -> Window:
    if not 0 <= number < len(state.windows.all):
        raise Rejected(f"there is no window {number}: the list of windows has their numbers")
    return state.windows.all[number]


def _closed_window(state: State, number: int) -> Window:
    window = _window_named(state, number)
    if not window.closed_ns:
        raise Rejected(f"window {number} is not closed yet: ask again")
    return window


def _window(state: State, window: Window) -> WindowView:
    institutions = state.directory.institutions
    positions = [
        PositionView(
            institutions[each.institution].routing,
            institutions[each.institution].name,
            each.owed_cents,
            each.due_cents,
            each.net_cents,
        )
        for each in window.positions
    ]
    return WindowView(
        window.number, window.by_hand, window.asked_ns, window.through_minute * MINUTE_NS, window.closed_ns,
        f"{day_of(window.day)}", window.posted, window.returned, window.rejected, window.answers, positions,
    )  # fmt: skip


def _return_files(state: State, window: Window) -> list[ReturnFileView]:
    institutions = state.directory.institutions
    return [
        ReturnFileView(window.number, institutions[file.recipient].routing, file.part, file.entries)
        for file in return_files(state, window)
    ]


def _return_file(state: State, query: GetReturnFile) -> bytes:
    window = _closed_window(state, query.window)
    recipient = state.directory.find_institution(query.routing)
    content = write_return_file(state, window, recipient=recipient, part=query.part) if recipient >= 0 else b""
    if not content:
        raise Rejected(f"window {query.window} has no part {query.part} for {query.routing!r}: list its files")
    return content


def _notice(state: State, number: int) -> NoticeView:
    notice = state.notices[number]
    file = state.files[notice.file]
    entry = file.entries[notice.row]
    company = file.contents.batch_columns["company_id"][entry["batch"]].decode("latin-1").strip()
    return NoticeView(
        state.number_of(number), state.number_of(notice.file), notice.row, f"{entry['trace']:015}", company,
        notice.change_code, notice.corrected_data, notice.time_ns, notice.refused_code,
    )  # fmt: skip


def _statement(state: State, query: GetStatement) -> StatementView:
    slot = _slot(state, query.routing, query.number)
    chosen = np.zeros(1, ACCOUNT_FILTER)
    put(chosen[0], "account_id", account_id(Holder.DEPOSIT, slot))
    chosen["timestamp_min"] = query.after + 1
    chosen["limit"] = _limit(query.limit)
    chosen["flags"] = AccountFilterFlags.DEBITS | AccountFilterFlags.CREDITS
    lines = _statement_lines(state, state.ledger.account_transfers(chosen[0]), slot)
    return StatementView(_accounts(state, np.array([slot]))[0], list(lines))


def _statement_lines(state: State, transfers: Rows, slot: int) -> Iterator[StatementLine]:
    for row in transfers:
        ours = get(row, "id") >> 120 == account_id(Holder.DEPOSIT, 0) >> 120
        move = get(row, "id") >> 112 & 0xFF
        of_entry = ours and move < Move.INSTANT_OUT
        of_instant = ours and Move.INSTANT_OUT <= move <= Move.INSTANT_RETURN_IN_VOID
        leaves = get(row, "debit_account_id") == account_id(Holder.DEPOSIT, slot)
        amount = get(row, "amount")
        yield StatementLine(
            timestamp=int(row["timestamp"]),
            transfer_id=f"{full_id(get(row, 'id'), state.place)}",
            amount_cents=-amount if leaves else amount,
            pending=bool(row["flags"] & (TransferFlags.PENDING | TransferFlags.VOID_PENDING_TRANSFER)),
            what=Move(move).name.lower() if ours else f"code {row['code']}",
            file=_file_of(state, row) if of_entry else -1,
            row=int(row["user_data_64"]) & 0xFFFFFFFF if of_entry else -1,
            uetr=_uetr(get(row, "user_data_128")) if of_instant else "",
        )


def _uetr(number: int) -> str:
    """A UUID as text: 8-4-4-4-12."""
    digits = f"{number:032x}"
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _file_of(state: State, row: np.void) -> int:
    """The file of the entry that a transfer is for, which may be another shard's, as callers know it."""
    shard = shard_of_file(get(row, "id"))
    place = state.place if shard < 0 else Place(state.place.service, shard, state.place.partitions)
    return (int(row["user_data_64"]) >> 32) * place.partitions + place.partition


def _trial_balance(state: State) -> TrialBalance:
    institutions = np.arange(len(state.directory.institutions))
    numbers = {
        Holder.DEPOSIT: np.arange(state.directory.accounts.size),
        Holder.SHARD: np.array([standing_number(peer, USD) for peer in range(state.place.partitions)]),
    }
    lines = []
    for holder in Holder:
        rows = lookup(state.ledger, holder, numbers.get(holder, institutions))
        if holder is not Holder.SHARD or not state.is_alone:
            lines.append(BalanceLine(holder.name.lower(), rows.size, _sum(rows, "debits"), _sum(rows, "credits")))
    return TrialBalance(lines, sum(line.debit_cents for line in lines), sum(line.credit_cents for line in lines))


def _sum(rows: Rows, side: str) -> int:
    """All that is posted on one side; 128 bits an account, so the words are added apart, and low ones in halves."""
    low, high = rows[f"{side}_posted_low"], rows[f"{side}_posted_high"]
    halves = int((low & np.uint64(_HALF)).sum()) + (int((low >> np.uint64(32)).sum()) << 32)
    return halves + (int(high.sum()) << 64)


def _progress(state: State) -> Progress:
    window = taking(state)
    return Progress(
        files=sum(file.is_at_home for file in state.files),
        entries_to_reserve=sum(file.record.entries - file.reserved for file in state.files),
        entries_pending=sum(int(file.tally[EntryState.PENDING, 0]) for file in state.files),
        windows=len(state.windows.all),
        windows_open=len(state.windows.all) - state.windows.closed,
        next_due_ns=_due_ns(state.files.earliest_due()),
        next_window=len(state.windows.all) if window is None else window.number,
    )
