"""What clients may ask of a ledger, at random, with everything narrow enough for events to meet each other.

Ids come from a small range once in a while, and otherwise are new; a part of the events repeats an earlier one, as it
was or with one field changed; amounts are small, since limits are, or close to 2^128. A seed makes a scenario.
"""

from dataclasses import replace
from random import Random
from typing import TypeVar

from ropewalk.systems.payments.ledger.guards import NEITHER, Limit, Sides
from ropewalk.systems.payments.ledger.layout import TIMESTAMP_MAX, WIDE_MAX, AccountFlags, TransferFlags
from ropewalk.systems.payments.ledger.oracle_rules import Account, Transfer
from tests.payments.ledger.both import Both

SECOND_NS = 1_000_000_000
E = TypeVar("E", Account, Transfer)


class Scenario:
    """One client after the other, asking a ledger and its oracle."""

    def __init__(self, seed: int) -> None:
        self.both = Both()
        self._random = Random(seed)
        self._next_id = 10
        self._asked: list[Transfer] = []
        # Half of all scenarios are about plain, limited or kept accounts only; the others are about all kinds.
        kinds = self._random.choice([(0,), (0, 8), (2, 4), (0, 2, 4, 8, 10, 12), (0, 0, 0, 2, 4, 8, 32)])
        flags = self._random.choices(kinds, k=5)
        ledgers = self._random.choices([1, 2], weights=[30, 1], k=5)
        self._guards = self._random.choice([0, 1, 4])
        self.both.create_accounts(*(Account(id=1 + n, flags=flags[n], ledger=ledgers[n], code=1) for n in range(5)))

    def step(self) -> None:
        """Ask one thing."""
        actions = [
            self._transfers,
            self._imports,
            self._accounts,
            self._pass_time,
            self.both.expire,
            self.both.restart,
            self._guard,
        ]
        self._random.choices(actions, weights=[16, 1, 1, 2, 1, 1, self._guards])[0]()

    def _transfers(self) -> None:
        requests = [
            self._linked([self._transfer() for _ in range(self._random.randint(1, 5))])
            for _ in range(self._random.randint(1, 3))
        ]
        self._send(requests)

    def _send(self, requests: list[list[Transfer]]) -> None:
        events = [event for request in requests for event in request]
        ends = [sum(map(len, requests[: place + 1])) for place in range(len(requests))]
        self.both.create_transfers(*events, ends=ends)
        self._asked += events

    def _transfer(self) -> Transfer:
        kinds = [self._move, self._pending, self._resolution, self._repeat, self._wild]
        return self._random.choices(kinds, weights=[8, 6, 6, 4, 1])[0]()

    def _id(self) -> int:
        self._next_id += 1
        return self._random.choices([self._next_id, self._random.randint(0, 6)], weights=[9, 1])[0]

    def _amount(self) -> int:
        return self._random.choices(
            [self._random.randint(0, 12), self._random.choice([WIDE_MAX, WIDE_MAX - 1, 2**127])], weights=[19, 1]
        )[0]

    def _move(self) -> Transfer:
        debit, credit = self._random.sample(range(1, 6), 2)
        return Transfer(
            id=self._id(),
            debit_account_id=debit,
            credit_account_id=self._random.choices([credit, 9], weights=[40, 1])[0],
            amount=self._amount(),
            flags=self._random.choices([0, 16, 32, 48], weights=[8, 1, 1, 1])[0],
            user_data_128=self._random.choice([0, 2**100]),
            ledger=1,
            code=self._random.choice([1, 2]),
        )

    def _pending(self) -> Transfer:
        return replace(
            self._move(),
            flags=self._random.choices([2, 18, 34, 66, 130, 194], weights=[40, 2, 2, 2, 2, 1])[0],
            timeout=self._random.choice([0, 0, 1, 2]),
            user_data_64=self._random.choice([0, 7]),
        )

    def _resolution(self) -> Transfer:
        known = self.both.oracle.state
        pending = [known.transfers[pending_id] for pending_id in known.pending] or self._asked[-3:]
        if not pending:
            return self._pending()
        # Mostly a recent one, which is still open; once in a while any, which may be sealed.
        of = self._random.choices([pending[-1], self._random.choice(pending[-6:]), self._random.choice(pending)])[0]
        flags = self._random.choice([4, 4, 8])
        amount = self._random.choice([0 if flags == 8 else WIDE_MAX, of.amount, self._amount()])
        said = self._random.choice([0, 0, 1])
        return Transfer(
            id=self._id(),
            pending_id=of.id,
            debit_account_id=of.debit_account_id * said,
            credit_account_id=of.credit_account_id * said,
            amount=amount,
            flags=flags,
            ledger=said,
            code=of.code * said,
            user_data_32=self._random.choice([0, 3]),
        )

    def _repeat(self) -> Transfer:
        if not self._asked:
            return self._move()
        event = self._random.choice([*self._asked[-8:], self._random.choice(self._asked)])
        return self._random.choice([event, self._with_a_change(event)])

    def _with_a_change(self, event: E) -> E:
        names = [name for name in vars(event) if name != "timestamp"]
        name = self._random.choice(names)
        values = [0, 1, 2, 3, WIDE_MAX if _is_wide(name) else 4]
        if name == "flags":
            values = [event.flags ^ 1 << self._random.randint(0, 9)]
        return replace(event, **{name: self._random.choice(values)})

    def _wild(self) -> Transfer:
        choose = self._random.choice
        return Transfer(
            id=choose([self._id(), self._id(), 0, WIDE_MAX]),
            debit_account_id=choose([0, 1, 1, 2, WIDE_MAX]),
            credit_account_id=choose([0, 2, 2, 1, WIDE_MAX]),
            amount=self._amount(),
            pending_id=choose([0, 0, self._next_id, 1, WIDE_MAX]),
            flags=choose([0, 2, 4, 8, 64, 128, self._random.randrange(1024)]),
            timeout=choose([0, 1, 2**32 - 1]),
            ledger=choose([0, 1, 2]),
            code=choose([0, 1]),
            timestamp=choose([0, 0, 0, 7]),
        )

    def _imports(self) -> None:
        """A request of transfers from the past, mostly in order."""
        now = max(self.both.time_ns, self.both.oracle.last_timestamp)
        timestamp = now - self._random.randint(0, 3)
        self._pass_time()
        request = []
        for _ in range(self._random.randint(2, 5)):
            timestamp += self._random.choice([1, 1, 1, 2, 0, -1])
            event = self._random.choice([self._move, self._pending, self._resolution])()
            said = self._random.choices(
                [timestamp, 0, 5, TIMESTAMP_MAX, TIMESTAMP_MAX + 1], weights=[20, 1, 1, 1, 1]
            )[0]
            timeout = self._random.choice([0, 0, event.timeout])
            flags = event.flags | self._random.choices([TransferFlags.IMPORTED, 0], weights=[12, 1])[0]
            request.append(replace(event, flags=int(flags), timestamp=said, timeout=timeout))
        self._send([self._linked(request)])

    def _accounts(self) -> None:
        account = self._random.choice(list(self.both.oracle.state.accounts.values()))
        account = replace(account, timestamp=0, debits_posted=0, credits_posted=0)
        account = replace(account, debits_pending=0, credits_pending=0)
        new = Account(id=self._random.randint(6, 8), flags=self._random.choice([0, 2, 6, 8]), ledger=1, code=1)
        candidates = [account, new, self._with_a_change(account), self._with_a_change(new), self._with_a_change(new)]
        request = self._random.choices(candidates, k=self._random.randint(1, 4))
        if self._random.random() < 0.4:
            self._pass_time()
            flag = int(AccountFlags.IMPORTED)
            latest = self.both.oracle.last_timestamp
            request = [
                replace(event, flags=event.flags | flag, timestamp=latest - 2 + place * 2)
                for place, event in enumerate(request)
            ]
        self.both.create_accounts(*self._linked(request))

    def _guard(self) -> None:
        """Limit or freeze an account, or lift that."""
        account = self._random.randint(1, 5)
        if self._random.random() < 0.3:
            self.both.freeze(account, self._random.choice([NEITHER, NEITHER, Sides.DEBITS, Sides.CREDITS, Sides(3)]))
            return
        choose = self._random.choice
        window = choose([0, 1, 1, 5])
        limit = Limit(
            transfer_max=choose([None, None, 9, 2**127]),
            window_s=window,
            amount_max=choose([None, 12, 30, 2**127]) if window else None,
            count_max=choose([None, None, 0, 3, 9]) if window else None,
        )
        self.both.set_limit(account, choose([limit, limit, limit, Limit()]))

    def _linked(self, request: list[E]) -> list[E]:
        """Some of them linked to the next one; the last one hardly ever."""
        chance = self._random.choice([0, 0, 0.3, 0.8])
        for place, event in enumerate(request):
            if self._random.random() < (chance if place + 1 < len(request) else chance / 8):
                request[place] = replace(event, flags=event.flags | 1)
        return request

    def _pass_time(self) -> None:
        self.both.time_ns = max(self.both.time_ns, self.both.oracle.last_timestamp)
        self.both.time_ns += self._random.choice([10, 1_000, SECOND_NS // 24, SECOND_NS])


def _is_wide(name: str) -> bool:
    return name in ("id", "debit_account_id", "credit_account_id", "amount", "pending_id", "user_data_128") or (
        name.startswith(("debits_", "credits_"))
    )
