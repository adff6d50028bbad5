"""Opening institutions, accounts and originators, and restricting accounts.

Each may be asked again: what is so already is answered `Done(repeated=True)`, and what is there otherwise is refused.

Checked by: tests/payments/processing/test_directory.py
"""

from typing import TypeVar

import numpy as np

from ropewalk.systems.payments.processing.books import Holder, open_accounts
from ropewalk.systems.payments.processing.directory import (
    ACCOUNT,
    AccountKind,
    Institution,
    Originator,
    Restriction,
    is_routing_number,
)
from ropewalk.systems.payments.processing.layouts import Rows
from ropewalk.systems.payments.processing.limits import ACCOUNTS_OPENED_MAX
from ropewalk.systems.payments.processing.messages import (
    Done,
    NewAccount,
    OpenAccounts,
    OpenInstitution,
    OpenOriginator,
    Refused,
    RestrictAccount,
)
from ropewalk.systems.payments.processing.state import State

E = TypeVar("E", AccountKind, Restriction)

Answer = Done | Refused


def open_institution(state: State, command: OpenInstitution, *, time_ns: int) -> Answer:
    """Open a bank, and its three accounts in the ledger."""
    directory = state.directory
    if not is_routing_number(command.routing) or command.routing[:8] == "00000000":
        return Refused(
            "routing_number", f"{command.routing!r} is not a routing number: nine digits, the last a check"
        )
    if not 0 <= command.account_digits <= ACCOUNT["number"].itemsize:
        return Refused("account_digits", f"account numbers have up to 17 digits, not {command.account_digits}")
    wanted = Institution(command.routing, command.name, command.account_digits)
    known = directory.find_institution(command.routing)
    if known >= 0:
        if directory.institutions[known] == wanted:
            return Done(repeated=True)
        return Refused("exists", f"{command.routing} is open as {directory.institutions[known].name!r}")
    index = np.array([directory.add_institution(wanted)])
    for holder in (Holder.SETTLEMENT, Holder.CLEARING, Holder.SUSPENSE):
        open_accounts(state.ledger, holder, index, time_ns=time_ns, limited=np.array([False]))
    return Done()


def open_customer_accounts(state: State, command: OpenAccounts, *, time_ns: int) -> Answer:
    """Open customers' accounts: all that are not open yet, or none."""
    if not 1 <= len(command.accounts) <= ACCOUNTS_OPENED_MAX:
        return Refused("accounts", f"a command opens 1 to {ACCOUNTS_OPENED_MAX} accounts: split them")
    rows = np.zeros(len(command.accounts), ACCOUNT)
    institutions: dict[str, int] = {}
    for place, account in enumerate(command.accounts):
        if account.routing not in institutions:
            institutions[account.routing] = state.directory.find_institution(account.routing)
        against = _against(account, institutions[account.routing])
        if against is not None:
            return against
        kind = _named(AccountKind, account.kind)
        number, name = account.number.encode(), account.name.encode("latin-1", "replace")[:35]
        rows[place] = (
            institutions[account.routing], number, name, kind, account.is_corporate, account.overdraft, 0,
        )  # fmt: skip
    return _open_new(state, rows, time_ns=time_ns)


def open_originator(state: State, command: OpenOriginator) -> Answer:
    """Let an institution send files for a company."""
    directory = state.directory
    institution = directory.find_institution(command.routing)
    if institution < 0:
        return _unknown_institution(command.routing)
    if not 1 <= len(command.company_id) <= 10 or command.company_id != command.company_id.strip():
        return Refused("company_id", f"a company id has 1 to 10 characters, not {command.company_id!r}")
    account = directory.find_account(institution, command.account_number)
    if account < 0:
        return _unknown_account(command.routing, command.account_number)
    wanted = Originator(command.company_id, command.name, institution, account)
    known = directory.find_originator(institution, command.company_id)
    if known >= 0:
        if directory.originators[known] == wanted:
            return Done(repeated=True)
        return Refused("exists", f"{command.company_id!r} is an originator of {command.routing} with other details")
    directory.add_originator(wanted)
    return Done()


def restrict_account(state: State, command: RestrictAccount) -> Answer:
    """Set what keeps entries from an account."""
    directory = state.directory
    restriction = _named(Restriction, command.restriction)
    if restriction is None:
        names = ", ".join(each.name.lower() for each in Restriction)
        return Refused("restriction", f"{command.restriction!r} is none of {names}")
    institution = directory.find_institution(command.routing)
    if institution < 0:
        return _unknown_institution(command.routing)
    account = directory.find_account(institution, command.number)
    if account < 0:
        return _unknown_account(command.routing, command.number)
    repeated = int(directory.accounts["restriction"][account]) == restriction
    directory.accounts["restriction"][account] = restriction
    return Done(repeated)


def _against(account: NewAccount, institution: int) -> Refused | None:
    """What keeps an account from being opened, whatever is open already."""
    if institution < 0:
        return _unknown_institution(account.routing)
    number = account.number
    if not (1 <= len(number) <= ACCOUNT["number"].itemsize and number.isascii() and number.isprintable()):
        return Refused("account_number", f"an account number has 1 to 17 printable characters, not {number!r}")
    if number != number.strip():
        return Refused("account_number", f"an account number neither begins nor ends with a blank: {number!r}")
    if _named(AccountKind, account.kind) is None:
        names = ", ".join(each.name.lower() for each in AccountKind)
        return Refused("kind", f"{account.kind!r} is none of {names}")
    return None


def _open_new(state: State, rows: Rows, *, time_ns: int) -> Answer:
    """Open those that are new, unless one is open with other details or named twice."""
    directory = state.directory
    slots = directory.find_accounts(rows["institution"], rows["number"])
    known = np.flatnonzero(slots >= 0)
    existing = directory.accounts[slots[known]]
    existing["restriction"] = 0
    for place in known[existing != rows[known]].tolist():
        return Refused("exists", f"account {rows['number'][place].decode()} is open with other details")
    fresh = rows[slots < 0]
    if np.unique(fresh[["institution", "number"]]).size != fresh.size:
        return Refused("repeated_account", "an account is named twice in one command")
    if fresh.size:
        first = directory.add_accounts(fresh)
        numbers = np.arange(first, first + fresh.size)
        open_accounts(state.ledger, Holder.DEPOSIT, numbers, time_ns=time_ns, limited=~fresh["has_overdraft"])
    return Done(repeated=fresh.size == 0)


def _named(names: type[E], name: str) -> E | None:
    return names.__members__.get(name.upper()) if name == name.lower() else None


def _unknown_institution(routing: str) -> Refused:
    return Refused("unknown_institution", f"no institution has the routing number {routing!r}: open it first")


def _unknown_account(routing: str, number: str) -> Refused:
    return Refused("unknown_account", f"{routing} has no account {number!r}: open it first")
