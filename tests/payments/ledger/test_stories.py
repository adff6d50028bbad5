"""Stories of the ledger: what is asked, and what it answers. Each runs on the ledger and on its oracle.

A story is a text file of blocks; `REWRITE=1` accepts what the ledger answers now, and review is the diff.

    account NAME [ledger=N] [FLAG…]                      one request a block
    transfer ID DEBIT CREDIT AMOUNT [FIELD=N] [FLAG…]    all of a block are one request
    post ID PENDING [AMOUNT]        void ID PENDING      all of a block are one request
    wait SECONDS        expire      restart
    show NAME           its balances: pending and posted debits, pending and posted credits
    history NAME        its transfers, and the balances after each if it keeps them
"""

import os
from pathlib import Path

import pytest

from ropewalk.systems.payments.ledger.layout import (
    ACCOUNT_FILTER,
    WIDE_MAX,
    AccountFlags,
    TransferFlags,
    get,
    rows_of,
)
from ropewalk.systems.payments.ledger.oracle_rules import Account, Transfer
from tests.payments.ledger.both import Both

FOLDER = Path(__file__).parent / "stories"
STORIES = sorted(FOLDER.glob("*.txt"))
SECOND_NS = 1_000_000_000


class Story:
    """A ledger whose accounts and transfers have names."""

    def __init__(self) -> None:
        self.both = Both()
        self.accounts: dict[str, int] = {}
        self.transfers: dict[str, int] = {}

    def answer(self, lines: list[str]) -> list[str]:
        """What the ledger answers to a block."""
        verbs = {line.split()[0] for line in lines}
        if verbs <= {"transfer", "post", "void"}:
            statuses = self.both.create_transfers(*(self._transfer(line.split()) for line in lines))
            return [f"{line.split()[1]} {status}" for line, status in zip(lines, statuses, strict=True)]
        if verbs == {"account"}:
            statuses = self.both.create_accounts(*(self._account(line.split()[1:]) for line in lines))
            return [f"{line.split()[1]} {status}" for line, status in zip(lines, statuses, strict=True)]
        answers: list[str] = []
        for line in lines:
            answers += self._do(*line.split())
        return answers

    def _do(self, verb: str, *words: str) -> list[str]:
        match verb:
            case "wait":
                self.both.time_ns = (
                    max(self.both.time_ns, self.both.oracle.last_timestamp) + int(words[0]) * SECOND_NS
                )
            case "expire":
                self.both.expire()
            case "restart":
                self.both.restart()
            case "show":
                account = self.both.oracle.state.accounts[self.accounts[words[0]]]
                balances = (
                    account.debits_pending,
                    account.debits_posted,
                    account.credits_pending,
                    account.credits_posted,
                )
                closed = " closed" if account.flags & AccountFlags.CLOSED else ""
                return [f"{words[0]} {' '.join(map(str, balances))}{closed}"]
            case "history":
                return self._history(words[0])
            case unknown:
                raise ValueError(f"a story has no verb {unknown!r}")
        return []

    def _history(self, name: str) -> list[str]:
        chosen = rows_of(ACCOUNT_FILTER, [{"account_id": self.accounts[name], "limit": 100, "flags": 3}])[0]
        names = {number: name for name, number in self.transfers.items()}
        rows = self.both.ledger.account_transfers(chosen)
        lines = [f"{names[get(row, 'id')]} {get(row, 'amount')}" for row in rows]
        balances = self.both.ledger.account_balances(chosen)
        fields = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
        kept = [" -> " + " ".join(str(get(row, field)) for field in fields) for row in balances]
        return [line + after for line, after in zip(lines, kept or [""] * len(lines), strict=True)]

    def _account(self, words: list[str]) -> Account:
        number = self.accounts.setdefault(words[0], len(self.accounts) + 1)
        fields, flags = _fields(words[1:])
        return Account(
            **{"id": number, "ledger": 1, "code": 1, "flags": sum(AccountFlags[flag] for flag in flags), **fields}
        )

    def _transfer(self, words: list[str]) -> Transfer:
        verb, name, *rest = words
        number = self.transfers.setdefault(name, len(self.transfers) + 1)
        if verb == "transfer":
            debit, credit, amount, *rest = rest
            fields, flags = _fields(rest)
            given = {"debit_account_id": self._account_id(debit), "credit_account_id": self._account_id(credit)}
            given |= {"amount": _amount(amount), "ledger": 1, "code": 1}
        else:
            pending, *rest = rest
            amounts = [_amount(word) for word in rest if word[0].isdigit() or word == "max"]
            fields, flags = _fields([word for word in rest if not word[0].isdigit() and word != "max"])
            flags.append(f"{verb}_pending_transfer".upper())
            given = {
                "pending_id": self.transfers.get(pending, 99),
                "amount": (amounts or [WIDE_MAX if verb == "post" else 0])[0],
            }
        return Transfer(**{"id": number, "flags": sum(TransferFlags[flag] for flag in flags), **given, **fields})

    def _account_id(self, name: str) -> int:
        return self.accounts.get(name, 99)


def _amount(word: str) -> int:
    return WIDE_MAX if word == "max" else int(word)


def _fields(words: list[str]) -> tuple[dict[str, int], list[str]]:
    pairs = [word.split("=") for word in words if "=" in word]
    return {name: int(value) for name, value in pairs}, [word.upper() for word in words if "=" not in word]


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path):
    told = path.read_text()
    story = Story()
    blocks = []
    for block in told.strip().split("\n\n"):
        lines = block.split("\n")
        asked = lines[: lines.index("----")] if "----" in lines else lines
        commands = [line for line in asked if not line.startswith("#")]
        answers = story.answer(commands) if commands else []
        blocks.append("\n".join([*asked, *(["----", *answers] if commands else [])]))
        story.both.check()
    retold = "\n\n".join(blocks) + "\n"
    if os.environ.get("REWRITE"):
        path.write_text(retold)
    assert retold == told, f"{path.name} turned out otherwise; if that is right: REWRITE=1 pytest {path.parent}"


def test_there_are_stories():
    assert len(STORIES) >= 6
