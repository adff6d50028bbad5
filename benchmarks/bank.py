"""A small bank as a keyed machine, in plain Python: the service that a user would write first."""

from collections.abc import Mapping

import msgspec

from ropewalk import Applied, Entry, Service


class Account(msgspec.Struct, frozen=True):
    """A balance that never falls below zero."""

    balance_minor: int


class Open(msgspec.Struct, frozen=True, tag=True):
    """Open an account with this balance."""

    account: str
    balance_minor: int


class Transfer(msgspec.Struct, frozen=True, tag=True):
    """Move an amount from one account to another."""

    debit: str
    credit: str
    amount_minor: int


Command = Open | Transfer


def apply(accounts: Mapping[str, Account], entry: Entry[Command]) -> Applied[Account]:
    """The bank's rules."""
    match entry.command:
        case Open(account, balance_minor):
            return Applied("opened", {account: Account(balance_minor)})
        case Transfer() as transfer:
            return _transfer(accounts, transfer)


def _transfer(accounts: Mapping[str, Account], command: Transfer) -> Applied[Account]:
    debit, credit = accounts.get(command.debit), accounts.get(command.credit)
    if debit is None or credit is None or command.debit == command.credit:
        return Applied("no_such_accounts")
    if command.amount_minor > debit.balance_minor:
        return Applied("insufficient_funds")
    return Applied(
        "moved",
        {
            command.debit: Account(debit.balance_minor - command.amount_minor),
            command.credit: Account(credit.balance_minor + command.amount_minor),
        },
    )


BANK = Service.keyed("bank", commands=Command, value=Account, apply=apply, reply=str)
