"""Payments as one machine: a ledger, and what moves money in it for those who pay each other.

The first byte of a command, query or message says which part it is for (`parts`): the ledger's operations
(`ledger.commands`), or a byte of its own for each other part. All work on the same accounts, so a deposit that
entries post to is paid into and out of by plain transfers too. What a part keeps in order nobody else may touch.

    batch ──► what is due of each part ──► messages of other partitions ──► the requests, in order

Promise:    as of each part; none can be made to break another's promises.
Checked by: tests/payments/processing/test_machine.py, ropewalk.proving.conformance (machine checks)
"""

from collections.abc import Mapping
from itertools import groupby
from typing import Final

from ropewalk.core.codec import checksum, encode_value
from ropewalk.core.machine import Batch, Event, Message, Outcome, Received, Request, Saved
from ropewalk.core.place import Place
from ropewalk.data.shelf import Shelf
from ropewalk.errors import Damaged, Rejected
from ropewalk.systems.payments.accounting import Accounting
from ropewalk.systems.payments.cards.cards import Cards
from ropewalk.systems.payments.cards.commands import CARDS
from ropewalk.systems.payments.chains.chains import Chains
from ropewalk.systems.payments.chains.messages import CHAINS
from ropewalk.systems.payments.controls.controls import Controls
from ropewalk.systems.payments.controls.messages import CONTROLS
from ropewalk.systems.payments.instant.instant import Instant
from ropewalk.systems.payments.instant.limits import USUAL_TERMS, Terms
from ropewalk.systems.payments.instant.messages import INSTANT
from ropewalk.systems.payments.ledger.ledger import Ledger
from ropewalk.systems.payments.parts import Asked, Outgoing, Part
from ropewalk.systems.payments.processing.limits import USUAL_STEPS, Steps
from ropewalk.systems.payments.processing.messages import ACH
from ropewalk.systems.payments.processing.processing import Processing
from ropewalk.systems.payments.shards.front import Front
from ropewalk.systems.payments.shards.limits import USUAL_PATIENCE, Patience
from ropewalk.systems.payments.shards.messages import SHARDS
from ropewalk.systems.payments.shards.shards import Shards

_ONE_SHARD: Final = Place("payments")
_LEDGER: Final = "ledger"


class PaymentsMachine:
    """One partition of payments."""

    def __init__(
        self,
        shelf: Shelf,
        *,
        place: Place = _ONE_SHARD,
        steps: Steps = USUAL_STEPS,
        terms: Terms = USUAL_TERMS,
        patience: Patience = USUAL_PATIENCE,
        ledger: Ledger | None = None,
    ) -> None:
        self.accounting = Accounting(shelf, ledger=ledger)
        ledger = self.accounting.ledger
        of_ach, of_cards, of_instant, of_shards = self._outgoing = [
            Outgoing(byte) for byte in (ACH, CARDS, INSTANT, SHARDS)
        ]
        self.processing = Processing(ledger, shelf, steps=steps, place=place, outgoing=of_ach)
        directory = self.processing.state.directory
        self.cards = Cards(ledger, directory, place=place, outgoing=of_cards)
        self.instant = Instant(ledger, directory, place=place, outgoing=of_instant, terms=terms)
        self.shards = Shards(ledger, place, outgoing=of_shards, patience=patience, answer=self.read)
        self.controls = Controls(self.shards.state, directory, shelf)
        self._ledger: Asked = self.accounting if place.partitions == 1 else Front(self.accounting, self.shards.state)
        self._parts: dict[bytes, Part] = {
            ACH: self.processing, CARDS: self.cards, INSTANT: self.instant, SHARDS: self.shards,
            CHAINS: Chains(ledger, place), CONTROLS: self.controls,
        }  # fmt: skip
        self._named: dict[str, Part] = {
            _LEDGER: self.accounting, "ach": self.processing, "cards": self.cards, "instant": self.instant,
            "shards": self.shards, "controls": self.controls,
        }  # fmt: skip

    @property
    def name(self) -> str:
        """The service's name."""
        return "payments"

    @property
    def version(self) -> int:
        """The newest version of a record that this machine knows."""
        return 1

    def vet(self, command: bytes) -> None:
        """Raise Rejected unless the command can be read, and leaves alone what is not its part's."""
        self._asked(command).vet(command)

    def apply(self, batch: Batch) -> Outcome:
        """Do what is due, then what each message and each request asks."""
        for part in self._named.values():
            part.work(time_ns=batch.time_ns)
        try:
            replies = [self._receive(received, batch.time_ns) for received in batch.messages]
            for asked, group in groupby(batch.requests, key=self._asked_by):
                replies += asked.apply([request.command for request in group], time_ns=batch.time_ns)
        except Rejected as error:
            raise Damaged(
                f"payments: a command in the record at position {batch.position} can't be read ({error}); "
                "nothing was skipped: start the newer program that wrote it"
            ) from error
        sent, events = self._take_outgoing()
        self.shards.count_mail(batch.messages, sent)
        return Outcome(replies, self._wakes_at_ns(batch.time_ns), sent, events)

    def read(self, query: bytes) -> bytes:
        """Answer a query. Raises Rejected if it can't be read, or names what is not there."""
        return self._asked(query).read(query)

    def save(self) -> Saved:
        """The state, in parts that later batches do not change."""
        saved = {name: part.save() for name, part in self._named.items()}
        parts = {f"{name}.{piece}": value for name, each in saved.items() for piece, value in each.parts.items()}
        return Saved(parts, [blob for each in saved.values() for blob in each.blobs])

    def load(self, parts: Mapping[str, bytes | memoryview]) -> None:
        """Become what was saved."""
        for name, part in self._named.items():
            own = {piece.removeprefix(f"{name}."): piece for piece in parts if piece.startswith(f"{name}.")}
            part.load({short: parts[piece] for short, piece in own.items()})

    def digest(self) -> bytes:
        """16 bytes that are equal if and only if the states are."""
        saved = {name: part.save() for name, part in self._named.items() if name != _LEDGER}
        named = [
            (name, sorted((piece, checksum(value)) for piece, value in each.parts.items()), list(each.blobs))
            for name, each in saved.items()
        ]
        return checksum(self.accounting.ledger.digest(), encode_value(named))

    def check(self) -> None:
        """Raise Bug if an entry or a cent is not accounted for."""
        for part in self._named.values():
            part.check()

    def _asked(self, asked: bytes) -> Asked:
        return self._parts.get(asked[:1], self._ledger)

    def _asked_by(self, request: Request) -> Asked:
        return self._parts.get(request.command[:1], self._ledger)

    def _receive(self, received: Received, time_ns: int) -> bytes:
        """Hand a message to its part, and a reply to the part that asked."""
        if not received.is_reply:
            return self._parts.get(received.command[:1], self.accounting).receive(received, time_ns=time_ns)
        mine = Received(received.sender, received.command, received.tag[1:], is_reply=True)
        return self._parts[received.tag[:1]].receive(mine, time_ns=time_ns)

    def _take_outgoing(self) -> tuple[list[Message], list[Event]]:
        taken = [each.take() for each in self._outgoing]
        return [sent for messages, _ in taken for sent in messages], [each for _, events in taken for each in events]

    def _wakes_at_ns(self, time_ns: int) -> int | None:
        times = (part.wakes_at_ns(time_ns=time_ns) for part in self._named.values())
        return min((time for time in times if time is not None), default=None)
