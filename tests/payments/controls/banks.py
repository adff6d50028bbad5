"""Two institutions in two shards, whose accounts are controlled. Not a test."""

from typing import Any

import msgspec

from ropewalk.systems.payments.controls.messages import AnyCommand, AnyReply, decode_reply, encode
from ropewalk.systems.payments.processing.books import USD, Holder, account_id
from ropewalk.systems.payments.processing.messages import (
    GetAccount,
    ListInstitutions,
    NewAccount,
    OpenAccounts,
    OpenInstitution,
    encode_command,
    encode_query,
)
from ropewalk.systems.payments.shards.addresses import full_id
from tests.payments.processing.town import HARBOR, MEADOW
from tests.payments.shards.town import Row, Town, transfer


class Banks:
    """Harbor in one shard and meadow in the other, with two accounts each; harbor's first has 1,000."""

    def __init__(self) -> None:
        self.town = Town(2)
        for bank in (HARBOR, MEADOW):
            self.ask(bank, encode_command(OpenInstitution(bank, bank)))
            self.ask(bank, encode_command(OpenAccounts([NewAccount(bank, "1"), NewAccount(bank, "2")])))
        assert self.home(HARBOR) != self.home(MEADOW)
        cash = full_id(account_id(Holder.SETTLEMENT, 0), self.town.shards[self.home(HARBOR)].place)
        assert self.pay(HARBOR, self.row(900, cash, self.deposit(HARBOR, 0), 1_000)) == ["created"]

    def home(self, bank: str) -> int:
        return self.town.shards[0].place.partition_of(bank)

    def deposit(self, bank: str, slot: int) -> int:
        return full_id(account_id(Holder.DEPOSIT, slot), self.town.shards[self.home(bank)].place)

    def row(self, number: int, debit: int, credit: int, cents: int, **more: int) -> Row:
        return transfer(number, debit, credit, cents, ledger=USD, **more)

    def ask(self, bank: str, command: bytes) -> bytes:
        return self.town.ask(self.home(bank), command)[0]

    def pay(self, bank: str, *rows: Row) -> list[str]:
        return self.town.pay(self.home(bank), *rows)

    def do(self, bank: str, command: AnyCommand) -> AnyReply:
        return decode_reply(self.ask(bank, encode(command)))

    def account(self, bank: str, number: str) -> dict[str, Any]:
        machine = self.town.shards[self.home(bank)].machine
        shown: dict[str, Any] = msgspec.msgpack.decode(machine.read(encode_query(GetAccount(bank, number))))
        return shown

    def suspense(self, bank: str) -> int:
        """What a bank's suspense account has."""
        machine = self.town.shards[self.home(bank)].machine
        (row,) = msgspec.msgpack.decode(machine.read(encode_query(ListInstitutions())))
        return int(row["suspense_cents"])

    def here(self, number: int, cents: int, **more: int) -> Row:
        """From harbor's first account to its second."""
        return self.row(number, self.deposit(HARBOR, 0), self.deposit(HARBOR, 1), cents, **more)

    def across(self, number: int, cents: int) -> Row:
        """From harbor's first account to meadow's."""
        return self.row(number, self.deposit(HARBOR, 0), self.deposit(MEADOW, 0), cents)
