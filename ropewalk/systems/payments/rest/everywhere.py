"""ACH where institutions are kept in several shards: what is asked goes to theirs, what is shown is put together.

Numbers that callers know are each of one shard: the shard is the rest when they are divided by how many there are. A
window is in all of them under one number, and has closed when all have closed it; then its positions are shown.

Promise:    the net positions of a window that is shown as closed sum to zero; a trial balance is of one moment as far
            as messages tell, with what is on its way between shards in a line of its own.
Checked by: tests/payments/rest/test_ach_shards.py
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final, TypeVar

import msgspec

from ropewalk.core.clock import VectorClock
from ropewalk.runtime.node import Node
from ropewalk.runtime.problems import Problem, bad_request
from ropewalk.systems.payments.ledger.layout import Rows, ids_of
from ropewalk.systems.payments.processing import messages as ask_for
from ropewalk.systems.payments.processing import views
from ropewalk.systems.payments.processing.books import Holder
from ropewalk.systems.payments.processing.calendar import MINUTE_NS
from ropewalk.systems.payments.processing.house import HOUSE
from ropewalk.systems.payments.processing.messages import AnyCommand, AnyQuery, RunWindow, encode_query
from ropewalk.systems.payments.rest.reading import Sight, joined, read, read_listed, take_cut

T = TypeVar("T")
_Listed = list[dict[str, object]]

ON_ITS_WAY: Final = "on its way"
"""The line of a trial balance of several shards for what one has sent and another has not yet taken in."""


def shard_of_routing(node: Node, routing: str) -> int:
    """The shard of an institution."""
    return node.service.partition_of(routing)


def shard_of_command(node: Node, command: AnyCommand) -> int:
    """The shard that a command is for. Raises Problem if it is for several."""
    match command:
        case ask_for.OpenAccounts(accounts):
            shards = sorted({shard_of_routing(node, account.routing) for account in accounts})
            if len(shards) > 1:
                raise bad_request(
                    f"these accounts are kept in shards {shards}, and are opened all or none: "
                    "send one shard's at a time"
                )
            return shards[0] if shards else 0
        case ask_for.OpenInstitution() | ask_for.OpenOriginator() | ask_for.RestrictAccount():
            return shard_of_routing(node, command.routing)
        case _:
            return HOUSE


async def answer_of(node: Node, query: AnyQuery, sight: Sight, *, kind: type[T]) -> tuple[T, VectorClock]:
    """The answer to a query, from the shards that know it. Raises Rejected if it names what is not there."""
    if node.service.partitions == 1:
        return await _one_shard(node, query, sight, shard=HOUSE, kind=kind)
    found: tuple[object, VectorClock]
    match query:
        case ask_for.GetFile() | ask_for.ListEntries():
            return await _one_shard(node, query, sight, shard=query.file % node.service.partitions, kind=kind)
        case ask_for.GetReturnFile():
            return await _one_shard(node, query, sight, shard=shard_of_routing(node, query.routing), kind=kind)
        case ask_for.GetAccount() | ask_for.GetStatement():
            return await _of_account(node, query, sight, kind=kind)
        case ask_for.ListWindows():
            found = await _windows(node, query, sight)
        case ask_for.GetWindow():
            parts, token = await _all_shards(node, query, sight, kind=views.WindowView)
            found = one_window(parts), token
        case ask_for.GetTrialBalance():
            found = await _trial_balance(node, sight)
        case ask_for.GetProgress():
            found = await progress(node, sight)
        case ask_for.ListAccounts() | ask_for.ListInstitutions():
            found = await _accounts(node, query, sight)
        case _:
            found = _listed(query, *await _all_shards(node, query, sight, kind=_Listed))
    return msgspec.convert(msgspec.to_builtins(found[0]), kind), found[1]


async def _one_shard(
    node: Node, query: AnyQuery, sight: Sight, *, shard: int, kind: type[T]
) -> tuple[T, VectorClock]:
    answer, token = await read(node, shard, encode_query(query), sight=sight)
    return msgspec.msgpack.decode(answer, type=kind), token


async def _all_shards(node: Node, query: AnyQuery, sight: Sight, *, kind: type[T]) -> tuple[list[T], VectorClock]:
    shards = range(node.service.partitions)
    answers = [await _one_shard(node, query, sight, shard=shard, kind=kind) for shard in shards]
    return [answer for answer, _ in answers], joined(token for _, token in answers)


async def _of_account(
    node: Node, query: ask_for.GetAccount | ask_for.GetStatement, sight: Sight, *, kind: type[T]
) -> tuple[T, VectorClock]:
    """What is about one account includes all transfers between shards that are decided: see `reading`."""
    shard = shard_of_routing(node, query.routing)
    named = ask_for.GetAccount(query.routing, query.number)
    account, _ = await _one_shard(node, named, sight, shard=shard, kind=views.AccountView)
    ids = ids_of([int(account.ledger_id)])
    answer, token = await read(node, shard, encode_query(query), sight=sight, accounts=ids)
    return msgspec.msgpack.decode(answer, type=kind), token


async def _accounts(
    node: Node, query: ask_for.ListAccounts | ask_for.ListInstitutions, sight: Sight
) -> tuple[_Listed, VectorClock]:
    """What lists balances includes all transfers between shards that are decided: see `reading`."""
    encoded = encode_query(query)
    told = [
        await read_listed(node, shard, encoded, sight=sight, accounts_in=_ledger_ids)
        for shard in range(node.service.partitions)
    ]
    listed = [msgspec.msgpack.decode(answer, type=_Listed) for answer, _ in told]
    return _listed(query, listed, joined(token for _, token in told))


def _ledger_ids(answer: bytes) -> Rows:
    return ids_of([int(str(row["ledger_id"])) for row in msgspec.msgpack.decode(answer, type=_Listed)])


def _listed(query: AnyQuery, listed: Sequence[_Listed], token: VectorClock) -> tuple[_Listed, VectorClock]:
    """What all shards have, in the order of the numbers that callers know, as much as a page holds."""
    rows = [row for rows in listed for row in rows]
    if isinstance(query, ask_for.ListReturnFiles):
        return sorted(rows, key=lambda row: (str(row["routing"]), int(str(row["part"])))), token
    cursor = "file" if isinstance(query, ask_for.ListFiles) else "number"
    rows.sort(key=lambda row: int(str(row[cursor])))
    return rows[: getattr(query, "limit", len(rows))], token


async def _windows(
    node: Node, query: ask_for.ListWindows, sight: Sight
) -> tuple[list[views.WindowView], VectorClock]:
    listed, token = await _all_shards(node, query, sight, kind=list[views.WindowView])
    # One shard may not have heard yet of what another has opened.
    return [one_window(parts) for parts in zip(*listed, strict=False)], token


def one_window(parts: Sequence[views.WindowView]) -> views.WindowView:
    """What all shards together know of one window."""
    has_closed = all(part.closed_ns for part in parts)
    return msgspec.structs.replace(
        parts[HOUSE],
        closed_ns=max(part.closed_ns for part in parts) if has_closed else 0,
        posted=sum(part.posted for part in parts),
        returned=sum(part.returned for part in parts),
        rejected=sum(part.rejected for part in parts),
        answers=sum(part.answers for part in parts),
        positions=[position for part in parts for position in part.positions] if has_closed else [],
    )


async def progress(node: Node, sight: Sight) -> tuple[views.Progress, VectorClock]:
    """What is still to do anywhere, and when it is due."""
    parts, token = await _all_shards(node, ask_for.GetProgress(), sight, kind=views.Progress)
    due = [part.next_due_ns for part in parts if part.next_due_ns is not None]
    whole = views.Progress(
        files=sum(part.files for part in parts),
        entries_to_reserve=sum(part.entries_to_reserve for part in parts),
        entries_pending=sum(part.entries_pending for part in parts),
        windows=max(part.windows for part in parts),
        windows_open=max(part.windows_open for part in parts),
        next_due_ns=min(due, default=None),
        next_window=max(part.next_window for part in parts),
    )
    return whole, token


async def window_of_all(node: Node, command: RunWindow, sight: Sight) -> RunWindow:
    """The command that runs a window in all shards, and says until when, and from which one on it may be one that is
    there. Raises Problem if nothing is due by then.
    """
    if node.service.partitions == 1:
        return command
    parts, _ = await _all_shards(node, ask_for.GetProgress(), sight, kind=views.Progress)
    due = [(part.next_due_ns, part.next_window) for part in parts if part.next_due_ns is not None]
    through_ns = command.through_ns or min(due, default=(0, 0))[0]
    known = [window for due_ns, window in due if due_ns // MINUTE_NS <= through_ns // MINUTE_NS]
    if not known:
        raise Problem(HTTPStatus.CONFLICT, "nothing_due", "no entry waits for a window by then")
    return RunWindow(through_ns, max(known))


async def _trial_balance(node: Node, sight: Sight) -> tuple[views.TrialBalance, VectorClock]:
    """All debits and credits of all shards, of one moment as far as messages tell."""
    answers, token = await take_cut(node, encode_query(ask_for.GetTrialBalance()), sight)
    parts = [msgspec.msgpack.decode(answer, type=views.TrialBalance) for answer in answers]
    lines: dict[str, views.BalanceLine] = {}
    for line in (line for part in parts for line in part.lines):
        lines[line.what] = _added(lines.get(line.what, views.BalanceLine(line.what, 0, 0, 0)), line)
    way = lines.pop(Holder.SHARD.name.lower())
    # Of what one shard has paid and another received, both sides are in the books: what is left is in neither's.
    net = way.credit_cents - way.debit_cents
    lines[ON_ITS_WAY] = views.BalanceLine(ON_ITS_WAY, way.accounts, max(-net, 0), max(net, 0))
    shown = list(lines.values())
    debits, credits = sum(line.debit_cents for line in shown), sum(line.credit_cents for line in shown)
    return views.TrialBalance(shown, debits, credits), token


def _added(one: views.BalanceLine, other: views.BalanceLine) -> views.BalanceLine:
    return views.BalanceLine(
        one.what,
        one.accounts + other.accounts,
        one.debit_cents + other.debit_cents,
        one.credit_cents + other.credit_cents,
    )
