"""Limits, freezes and reversals as a part of one shard of payments: each done by somebody for a reason, and listed.

    limit     counted where transfers of callers begin (`spending`)
    freeze    the account is closed by a pending transfer of nothing, and its entries come back; promises are kept
    reverse   a transfer of its own, the other way, under an id that follows from the reversed one: once, for ever

Promise:    nothing here happens without who and why; a control that is repeated is refused or changes nothing.
Not given:  the outcome of a reversal that crosses shards in its answer: it is a transfer, and can be looked up.
Checked by: tests/payments/controls/test_controls.py
"""

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from ropewalk.core.codec import checksum, encode_value
from ropewalk.core.machine import Received, Saved
from ropewalk.errors import Rejected
from ropewalk.systems.payments.controls.limits import CONTROLS_MAX, LIMITED_MAX, TEXT_MAX
from ropewalk.systems.payments.controls.messages import (
    AnyCommand,
    AnyReply,
    ControlView,
    Done,
    Freeze,
    Refused,
    Reverse,
    SetLimits,
    Unfreeze,
    decode_command,
    decode_query,
)
from ropewalk.systems.payments.controls.spending import Limits, Spending
from ropewalk.systems.payments.ledger.hot import PLAIN, POSTED
from ropewalk.systems.payments.ledger.layout import TRANSFER, Rows, TransferFlags, get, ids_of, put
from ropewalk.systems.payments.ledger.statuses import TransferStatus
from ropewalk.systems.payments.processing.books import RESERVED_BYTE, USD, Holder, Move, account_id
from ropewalk.systems.payments.processing.directory import Directory, Restriction
from ropewalk.systems.payments.processing.limits import PAGE_MAX
from ropewalk.systems.payments.shards.addresses import name_accounts, own_accounts, shard_of
from ropewalk.systems.payments.shards.coordinating import begin_each, subject_of
from ropewalk.systems.payments.shards.state import State
from ropewalk.systems.payments.shards.statuses import ShardStatus

_DIGEST_BYTES = 14
_GOING = (TransferStatus.CREATED, ShardStatus.PREPARED)


class _Frozen(msgspec.Struct, frozen=True, array_like=True):
    """Of a frozen account: which control froze it, and what kept entries from it before."""

    control: int
    restriction: int


class Controls:
    """Those of one shard."""

    def __init__(self, shards: State, spending: Spending, directory: Directory) -> None:
        self._shards = shards
        self._ledger = shards.ledger
        self._spending = spending
        self._directory = directory
        self._done: list[ControlView] = []
        self._frozen: dict[int, _Frozen] = {}

    def vet(self, command: bytes) -> None:
        """Raise Rejected unless the command can be read."""
        decode_command(command)

    def work(self, *, time_ns: int) -> None:
        """Nothing is ever due."""

    def receive(self, received: Received, *, time_ns: int) -> bytes:
        """No shard controls another's accounts."""
        raise Rejected(f"controls take no messages, and {received.sender} sent one at {time_ns}")

    def apply(self, commands: Sequence[bytes], *, time_ns: int) -> Sequence[bytes]:
        """Do what each command asks and return the encoded replies. Raises Rejected if one can't be read."""
        return [encode_value(self._reply(decode_command(command), time_ns)) for command in commands]

    def wakes_at_ns(self, *, time_ns: int) -> int | None:
        """Never."""
        del time_ns
        return None

    def read(self, query: bytes) -> bytes:
        """What was done. Raises Rejected if the query can't be read."""
        asked = decode_query(query)
        if not 1 <= asked.limit <= PAGE_MAX:
            raise Rejected(f"a page has 1 to {PAGE_MAX} rows, not {asked.limit}")
        about = (asked.routing, asked.number)
        place = self._shards.place
        behind = (asked.after - place.partition) // place.partitions + 1
        listed = (each for each in self._done[max(behind, 0) :])
        chosen = (each for each in listed if about == ("", "") or about == (each.routing, each.account))
        return encode_value([each for each, _ in zip(chosen, range(asked.limit), strict=False)])

    def save(self) -> Saved:
        """All of it but the ledger and the directory."""
        frozen = [(slot, each) for slot, each in self._frozen.items()]
        return Saved({"done": encode_value((self._done, frozen)), "spending": self._spending.save()})

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        saved = msgspec.msgpack.decode(parts["done"], type=tuple[list[ControlView], list[tuple[int, _Frozen]]])
        self._done, frozen = saved
        self._frozen = dict(frozen)
        self._spending.load(parts["spending"])

    def check(self) -> None:
        """There is nothing that another part does not check."""

    def _reply(self, command: AnyCommand, time_ns: int) -> AnyReply:
        if not (0 < len(command.who.strip()) <= TEXT_MAX and 0 < len(command.why.strip()) <= TEXT_MAX):
            return Refused("who", f"say who does it and why, in 1 to {TEXT_MAX} characters each")
        if len(self._done) >= CONTROLS_MAX:
            return Refused("full", f"{CONTROLS_MAX} controls are kept already: a shard keeps no more")
        match command:
            case Reverse():
                return self._reverse(command, time_ns)
            case SetLimits() | Freeze() | Unfreeze():
                institution = self._directory.find_institution(command.routing)
                slot = self._directory.find_account(institution, command.number)
                if slot < 0:
                    return Refused("unknown_account", f"{command.routing!r} has no account {command.number!r}")
        match command:
            case SetLimits():
                return self._limit(command, slot, time_ns)
            case Freeze():
                return self._freeze(command, slot, institution, time_ns=time_ns)
            case Unfreeze():
                return self._unfreeze(command, slot, time_ns)

    def _limit(self, command: SetLimits, slot: int, time_ns: int) -> AnyReply:
        limits = Limits(command.transfer_cents, command.day_cents, command.day_count)
        account = account_id(Holder.DEPOSIT, slot)
        if min(limits) < 0 or max(limits) >= 2**63:
            return Refused("limits", "limits are whole numbers from 0 to 2^63 - 1; zero is no limit")
        if len(self._spending) >= LIMITED_MAX and not self._spending.is_limited(account):
            return Refused("limits", f"{LIMITED_MAX} accounts have limits already: a shard counts no more")
        self._spending.limit(account, limits)
        return self._note(command, time_ns, what="limits", details=dict(limits._asdict()))

    def _freeze(self, command: Freeze, slot: int, institution: int, *, time_ns: int) -> AnyReply:
        if slot in self._frozen:
            return Refused("frozen", f"the account is frozen since control {self._frozen[slot].control}")
        row = self._row(Move.FREEZE, f"{slot}/{len(self._done)}")
        put(row[0], "debit_account_id", account_id(Holder.DEPOSIT, slot))
        put(row[0], "credit_account_id", account_id(Holder.SUSPENSE, institution))
        row["flags"] = TransferFlags.PENDING | TransferFlags.CLOSING_DEBIT
        status = int(self._ledger.create_transfers(row, time_ns=time_ns)["status"][0])
        if status != TransferStatus.CREATED:
            return Refused("ledger", TransferStatus(status).meaning)
        restrictions = self._directory.accounts["restriction"]
        self._frozen[slot] = _Frozen(len(self._done), int(restrictions[slot]))
        restrictions[slot] = Restriction.FROZEN
        return self._note(command, time_ns, what="freeze")

    def _unfreeze(self, command: Unfreeze, slot: int, time_ns: int) -> AnyReply:
        frozen = self._frozen.pop(slot, None)
        if frozen is None:
            return Refused("not_frozen", "the account is not frozen")
        row = self._row(Move.UNFREEZE, f"{slot}/{frozen.control}")
        put(row[0], "pending_id", _id(Move.FREEZE, f"{slot}/{frozen.control}"))
        row["flags"], row["ledger"], row["code"] = TransferFlags.VOID_PENDING_TRANSFER, 0, 0
        self._ledger.create_transfers(row, time_ns=time_ns)
        self._directory.accounts["restriction"][slot] = frozen.restriction
        return self._note(command, time_ns, what="unfreeze")

    def _reverse(self, command: Reverse, time_ns: int) -> AnyReply:
        text = command.transfer_id
        if not (text.isascii() and text.isdigit() and 0 < int(text) < 2**128):
            return Refused("transfer", f"{text!r} is not the id of a transfer: a decimal number of up to 128 bits")
        ids = ids_of([int(text)])
        found = self._ledger.lookup_transfers(ids)
        if not found.size:
            return Refused("unknown_transfer", f"there is no transfer {text} in {self._shards.place.log_name}")
        row, place = name_accounts(found, self._shards.place)[0], self._shards.place
        payer, payee = get(row, "debit_account_id"), get(row, "credit_account_id")
        crosses = shard_of(payer, place) != shard_of(payee, place)
        state = self._ledger.states_of(ids)[0]
        if state != PLAIN and not (state == POSTED and crosses):
            return Refused("transfer", "it has moved no money itself: name the transfer that posted it, if one did")
        if shard_of(payee, place) != place.partition:
            return Refused("shard", f"the payee is kept in shard {shard_of(payee, place)}: ask that one")
        back = self._row(Move.REVERSAL, text)
        put(back[0], "debit_account_id", payee)
        put(back[0], "credit_account_id", payer)
        put(back[0], "amount", get(row, "amount"))
        put(back[0], "user_data_128", int(text))
        back["ledger"], back["code"] = row["ledger"], row["code"]
        status = self._move(back, crosses=crosses, time_ns=time_ns)
        if status not in _GOING:
            return Refused("ledger", _meaning(status))
        return self._note(command, time_ns, what="reverse")

    def _move(self, back: Rows, *, crosses: bool, time_ns: int) -> int:
        """The status of a reversal that is made, or begun where it crosses shards."""
        if crosses:
            return int(begin_each(self._shards, back, subject_of(back), time_ns=time_ns)["status"][0])
        own = own_accounts(back, self._shards.place)
        return int(self._ledger.create_transfers(own, time_ns=time_ns)["status"][0])

    @staticmethod
    def _row(move: Move, named: str) -> Rows:
        row = np.zeros(1, TRANSFER)
        put(row[0], "id", _id(move, named))
        row["ledger"], row["code"] = USD, move
        return row

    def _note(self, command: AnyCommand, time_ns: int, *, what: str, details: dict[str, int] | None = None) -> Done:
        # As callers know it: no other shard has a control with that number.
        number = len(self._done) * self._shards.place.partitions + self._shards.place.partition
        routing, account = getattr(command, "routing", ""), getattr(command, "number", "")
        transfer = getattr(command, "transfer_id", "")
        self._done.append(
            ControlView(number, time_ns, command.who, command.why, what, routing, account, transfer, details or {})
        )
        return Done(number)


def _meaning(status: int) -> str:
    return TransferStatus(status).meaning if status < min(ShardStatus) else ShardStatus(status).meaning


def _id(move: Move, named: str) -> int:
    """What an id has room for behind the reserved byte and the purpose: 112 bits of a hash."""
    digest = checksum(named.encode())[:_DIGEST_BYTES]
    return RESERVED_BYTE << 120 | move << 112 | int.from_bytes(digest, "little")
