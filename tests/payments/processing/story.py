"""What the stories in `stories/` can say: one verb a line, words in quotes where they hold blanks.

Banks, companies and people go by short names; amounts are dollars. `entry` names one as file/row.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from ropewalk.systems.payments.ach import building
from ropewalk.systems.payments.ach.building import (
    Addendum,
    BatchBuilder,
    contested,
    corrected,
    dishonored,
    refused,
    returned,
)
from ropewalk.systems.payments.ach.codes import return_code_of
from ropewalk.systems.payments.processing import messages
from ropewalk.systems.payments.processing.messages import FileRefused, GetReturnFile, Refused, SubmitFile
from tests.payments.processing.branches import Branches
from tests.payments.processing.town import Town, batch_of, file_of, routing
from tests.stories import done

BANKS = {"harbor": routing("99100012"), "meadow": routing("99200023"), "capstan": routing("99300034")}
NAMES = {number: name for name, number in BANKS.items()}
STATES = ("accepted", "pending", "posted", "returned", "rejected")


class Story:
    """A town, and the file that is being written."""

    def __init__(self, town: Town | Branches | None = None) -> None:
        self.town = town or Town()
        self._verbs: dict[str, Callable[..., str]] = {
            name.removeprefix("do_"): getattr(self, name) for name in dir(self) if name.startswith("do_")
        }
        self._batches: list[BatchBuilder] = []
        self._accounts: dict[tuple[str, str], int] = {}
        self._files = 0
        self._content = b""

    def run(self, block: str) -> str:
        """Do what each line says; return what there is to see."""
        return done(block, self._verbs)

    def do_at(self, moment: str) -> str:
        """Let time pass."""
        self.town.at(moment)
        return ""

    def do_bank(self, name: str, digits: str = "0") -> str:
        """Open an institution."""
        return self._told(messages.OpenInstitution(BANKS[name], name.upper(), int(digits)))

    def do_account(self, bank: str, number: str, *flags: str, cents: str = "0") -> str:
        """Open an account with some dollars in it."""
        kind = next((flag for flag in flags if flag in ("savings", "loan")), "checking")
        new = messages.NewAccount(BANKS[bank], number, "", kind, "corporate" in flags, "overdraft" in flags)
        told = self._told(messages.OpenAccounts([new]))
        if not told:
            slot = self._accounts[bank, number] = len(self._accounts)
            if float(cents):
                self.town.fund(slot, _cents(cents))
        return told

    def do_company(self, company: str, bank: str, account: str) -> str:
        """Let a bank send files for a company."""
        return self._told(messages.OpenOriginator(BANKS[bank], company, company.upper(), account))

    def do_restrict(self, bank: str, number: str, restriction: str) -> str:
        """Restrict an account."""
        return self._told(messages.RestrictAccount(BANKS[bank], number, restriction))

    def do_batch(self, entry_class: str, bank: str, company: str, **fields: str) -> str:
        """Begin a batch of the file."""
        self._batches.append(
            batch_of(
                entry_class,
                odfi=BANKS[bank],
                company=company,
                name=company,
                first_sequence=self._sequence(),
                **fields,
            )
        )
        return ""

    def do_entry(self, code: str, bank: str, account: str, amount: str, *, remittance: str = "") -> str:
        """Add an entry to the batch."""
        addenda = [building.remittance(remittance)] if remittance else []
        self._batches[-1].add(
            transaction_code=int(code), routing_number=BANKS[bank], account=account, amount_cents=_cents(amount),
            individual_name="SOMEBODY", addenda=addenda,
        )  # fmt: skip
        return ""

    def do_submit(self, modifier: str = "") -> str:
        """Submit the file."""
        self._content = file_of(*self._batches, modifier=modifier or _modifier(self._files))
        self._batches = []
        return self.do_again()

    def do_again(self) -> str:
        """Submit the last file again."""
        reply = self.town.do(SubmitFile(self._content))
        match reply:
            case FileRefused():
                shown = [f"line {each.line} {each.field}: {each.code}" for each in reply.errors]
                return "\n".join([f"refused: {reply.reason}", *shown])
            case Refused():
                return f"refused: {reply.reason}"
        assert isinstance(reply, messages.FileAccepted)
        self._files = max(self._files, reply.file + 1)
        self.town.settle()
        return f"file {reply.file}: {reply.entries} entries" + (", as before" if reply.repeated else "")

    def do_window(self) -> str:
        """Run the next window by hand."""
        reply = self.town.do(messages.RunWindow())
        self.town.settle()
        return f"refused: {reply.reason}" if isinstance(reply, Refused) else ""

    def do_entries(self, file: str) -> str:
        """The entries of a file."""
        return "\n".join(_entry(each) for each in self._asked(messages.ListEntries(int(file))))

    def do_balances(self, *names: str) -> str:
        """The balances of accounts, bank/number each; of a bank alone, what is in suspense."""
        lines = []
        for name in names:
            bank, _, number = name.partition("/")
            if number:
                account = self._asked(messages.GetAccount(BANKS[bank], number))
                reserved = account["balance_cents"] - account["available_cents"]
                shown = _dollars(account["balance_cents"]) + (f", {_dollars(reserved)} reserved" if reserved else "")
            else:
                listed = self._asked(messages.ListInstitutions())
                shown = _dollars(next(each for each in listed if each["routing"] == BANKS[bank])["suspense_cents"])
            lines.append(f"{name}: {shown}")
        return "\n".join(lines)

    def do_windows(self) -> str:
        """Every window and its net positions."""
        lines = []
        for window in self._asked(messages.ListWindows()):
            net = [f"{NAMES[each['routing']]} {_dollars(each['net_cents'])}" for each in window["positions"]]
            lines.append(f"{window['window']}: {window['settled']} {', '.join(net)}".rstrip())
        return "\n".join(lines)

    def do_outgoing(self, window: str) -> str:
        """The addenda of the files that went out with a window."""
        lines = []
        for file in self._asked(messages.ListReturnFiles(int(window))):
            content = self._asked(GetReturnFile(int(window), file["routing"], file["part"]))
            for record in content.decode().splitlines():
                if record.startswith("799"):
                    lines.append(f"to {NAMES[file['routing']]}: {record[3:6]} of {record[6:21]}")
        return "\n".join(lines)

    def do_notices(self) -> str:
        """Notifications of change."""
        return "\n".join(
            f"{each['file']}/{each['row']}: {each['change_code']} {each['corrected_data']}"
            + (f", refused {each['refused_code']}" if each["refused_code"] else "")
            for each in self._asked(messages.ListNotices())
        )

    def do_return(self, entry: str, reason: str, **changes: str) -> str:
        """Let the receiver's bank return an entry."""
        named = self._named(entry)
        addendum = returned(reason, trace=int(named["trace"]), rdfi=int(named["rdfi"][:8]))
        return self._answer(named, addendum, **{"sender": named["rdfi"], "to": self._odfi(named), **changes})

    def do_dishonor(self, entry: str, reason: str, **changes: str) -> str:
        """Let the originator's bank dishonor the return of an entry."""
        named = self._named(entry)
        bank = int(named["rdfi"][:8])
        addendum = dishonored(
            reason, trace=int(named["trace"]), rdfi=bank, return_trace=bank * 10**7 + 1, return_reason="R01",
        )  # fmt: skip
        return self._answer(named, addendum, **{"sender": self._odfi(named), "to": named["rdfi"], **changes})

    def do_contest(self, entry: str, reason: str, **changes: str) -> str:
        """Let the receiver's bank contest that its return was dishonored."""
        named = self._named(entry)
        bank = int(named["rdfi"][:8]) * 10**7
        addendum = contested(
            reason, trace=int(named["trace"]), rdfi=bank // 10**7, return_trace=bank + 1, return_reason="R01",
            dishonored_trace=int(self._odfi(named)[:8]) * 10**7 + 1, dishonored_reason="R68",
        )  # fmt: skip
        return self._answer(named, addendum, **{"sender": named["rdfi"], "to": self._odfi(named), **changes})

    def do_notify(self, entry: str, change: str, data: str) -> str:
        """Let the receiver's bank notify of a change."""
        named = self._named(entry)
        addendum = corrected(change, trace=int(named["trace"]), rdfi=int(named["rdfi"][:8]), data=data)
        return self._answer(
            named, addendum, sender=named["rdfi"], to=self._odfi(named), amount="0", entry_class="COR"
        )

    def do_refuse(self, entry: str, code: str, change: str, data: str) -> str:
        """Let the originator's bank refuse a notification of change."""
        named = self._named(entry)
        addendum = refused(
            code, trace=int(named["trace"]), rdfi=int(named["rdfi"][:8]), data=data, change_code=change,
            notification_sequence=1,
        )  # fmt: skip
        return self._answer(
            named, addendum, sender=self._odfi(named), to=named["rdfi"], amount="0", entry_class="COR"
        )

    def _answer(self, named: dict[str, Any], addendum: Addendum, **changes: str) -> str:
        """Submit the file, with a batch behind the others that names an entry: as it was, but for what is changed."""
        sender, to = BANKS.get(changes["sender"], changes["sender"]), changes["to"]
        entry_class = changes.get("entry_class", named["entry_class"])
        amount = _cents(changes["amount"]) if "amount" in changes else named["amount_cents"]
        batch = batch_of(
            entry_class,
            odfi=sender,
            company=named["company_id"],
            name="SOMEBODY",
            first_sequence=self._sequence(),
        )
        batch.add(
            transaction_code=return_code_of(named["transaction_code"]), routing_number=to,
            account=changes.get("account", named["account"]), amount_cents=amount, individual_name="SOMEBODY",
            addenda=[addendum],
        )  # fmt: skip
        self._batches.append(batch)
        return self.do_submit()

    def _sequence(self) -> int:
        """The first trace number of the next batch, without the bank."""
        return 1000 * self._files + 100 * len(self._batches) + 1

    def _named(self, entry: str) -> dict[str, Any]:
        file, row = (int(part) for part in entry.split("/"))
        found: dict[str, Any] = self._asked(messages.ListEntries(file, after=row - 1, limit=1))[0]
        return found

    def _odfi(self, named: dict[str, Any]) -> str:
        return next(number for number in BANKS.values() if named["trace"].startswith(number[:8]))

    def _told(self, command: messages.AnyCommand) -> str:
        reply = self.town.do(command)
        return f"refused: {reply.reason}" if isinstance(reply, Refused) else ""

    def _asked(self, query: messages.AnyQuery) -> Any:
        return msgspec.msgpack.decode(self.town.ask(query))


def _entry(entry: dict[str, Any]) -> str:
    reason = f" {entry['reason']}" if entry["reason"] else ""
    marks = f" ({', '.join(entry['marks'])})" if entry["marks"] else ""
    bank = NAMES.get(entry["rdfi"], entry["rdfi"])
    what = f"{entry['transaction_code']} {bank}/{entry['account']} {_dollars(entry['amount_cents'])}"
    return f"{entry['row']}: {what} {entry['state']}{reason}{marks}"


def _cents(dollars: str) -> int:
    return round(float(dollars) * 100)


def _dollars(cents: int) -> str:
    return f"{cents / 100:,.2f}"


def _modifier(number: int) -> str:
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[number % 36]
