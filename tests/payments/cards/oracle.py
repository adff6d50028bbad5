"""What card messages do, in plain dicts, to compare with: without limits, expiry, and advice of what was decided."""

from dataclasses import dataclass, field

from ropewalk.systems.payments.cards.commands import Authorise, Complete, Movement, Origin, Reverse
from ropewalk.systems.payments.cards.reasons import Reason

Told = tuple[Reason, int]
"""A reason, and the amount that was moved."""


@dataclass
class Made:
    """What a message did. `left` is what it holds, `hold` the message whose hold it spent."""

    command: Movement
    told: Told
    account: int = 0
    left: int = 0
    hold: Origin | None = None
    is_undone: bool = False
    is_spent: bool = False


@dataclass
class Oracle:
    """Accounts by card, balances by account, and what every message did."""

    accounts: dict[bytes, int]
    balances: dict[int, int]
    held: dict[int, int] = field(default_factory=dict)
    made: dict[Origin, Made] = field(default_factory=dict)
    stopped: set[Origin] = field(default_factory=set)
    references: dict[tuple[str, bytes], Origin] = field(default_factory=dict)

    def do(self, command: Movement) -> Told:
        """One message, and the answer."""
        if isinstance(command, Reverse):
            return self._reverse(command)
        if command.origin in self.made:
            return self._again(command, self.made[command.origin])
        if command.origin in self.stopped:
            return Reason.REVERSED_IN_ADVANCE, 0
        made = self._authorise(command) if isinstance(command, Authorise) else self._complete(command)
        self.made[command.origin] = made
        return made.told

    def _again(self, command: Authorise | Complete, made: Made) -> Told:
        before = made.command
        assert not isinstance(before, Reverse)
        is_same = (type(before), before.token, before.amount_minor) == (
            type(command), command.token, command.amount_minor,
        )  # fmt: skip
        if made.told[0].is_approval and isinstance(command, Authorise) and isinstance(before, Authorise):
            is_same = is_same and before.posts == command.posts
        if not made.told[0].is_approval:
            # A refusal is remembered by its card and amount alone.
            is_same = (before.token, before.amount_minor) == (command.token, command.amount_minor)
        return made.told if is_same else (Reason.TRACE_USED, 0)

    def _authorise(self, command: Authorise) -> Made:
        account = self.accounts.get(command.token)
        if command.amount_minor == 0:
            return Made(command, (Reason.NO_AMOUNT, 0))
        if account is None:
            return Made(command, (Reason.UNKNOWN_CARD, 0))
        left = self.balances[account] - self.held.get(account, 0)
        amount = min(command.amount_minor, left) if command.takes_part else command.amount_minor
        if amount > left or amount == 0:
            return Made(command, (Reason.INSUFFICIENT_FUNDS, 0))
        reason = Reason.APPROVED if amount == command.amount_minor else Reason.APPROVED_IN_PART
        if command.posts:
            self.balances[account] -= amount
            return Made(command, (reason, amount), account)
        self.held[account] = self.held.get(account, 0) + amount
        if command.reference:
            self.references.setdefault((command.reference, command.token), command.origin)
        return Made(command, (reason, amount), account, left=amount)

    def _complete(self, command: Complete) -> Made:
        reason, hold = self._hold(command)
        if reason is not None or hold is None:
            return Made(command, (reason or Reason.NO_ORIGINAL, 0))
        self.held[hold.account] -= hold.left
        self.balances[hold.account] -= command.amount_minor
        hold.left, hold.is_spent = 0, True
        return Made(command, (Reason.APPROVED, command.amount_minor), hold.account)

    def _hold(self, command: Complete) -> tuple[Reason | None, Made | None]:
        if command.amount_minor == 0:
            return Reason.NO_AMOUNT, None
        named = command.original or self.references.get((command.reference, command.token))
        if named is None or (named not in self.made and named not in self.stopped):
            return Reason.NO_ORIGINAL, None
        if named in self.stopped or not self.made[named].told[0].is_approval:
            return Reason.ORIGINAL_REFUSED, None
        hold = self.made[named]
        if hold.command.token != command.token:
            return Reason.OTHER_CARD, None
        if not (isinstance(hold.command, Authorise) and not hold.command.posts):
            return Reason.NOTHING_HELD, None
        if command.amount_minor > hold.told[1]:
            return Reason.OVER_AUTHORISED, None
        if hold.is_spent:
            return Reason.ALREADY_COMPLETED, None
        return (Reason.ALREADY_REVERSED, None) if hold.is_undone else (None, hold)

    def _reverse(self, command: Reverse) -> Told:
        made = self.made.get(command.original)
        if made is None:
            self.stopped.add(command.original)
            return Reason.STOPPED_IN_ADVANCE, 0
        if not made.told[0].is_approval:
            return Reason.WAS_REFUSED, 0
        if made.command.token != command.token:
            return Reason.OTHER_CARD, 0
        if command.amount_minor not in (made.command.amount_minor, made.told[1]):
            return Reason.OTHER_AMOUNT, 0
        if made.is_undone:
            return Reason.APPROVED, 0
        if made.is_spent:
            return Reason.ALREADY_COMPLETED, 0
        made.is_undone = True
        if isinstance(made.command, Authorise) and not made.command.posts:
            self.held[made.account] -= made.left
            made.left = 0
        else:
            self.balances[made.account] += made.told[1]
        return Reason.APPROVED, 0
