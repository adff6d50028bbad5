"""What became of one endpoint's messages since the last record.

Checked by: tests/communication/webhooks/test_outcomes.py
"""

from collections.abc import Mapping

import msgspec

from ropewalk.communication.webhooks.messages import Attempt, Record, Recover


class Outcomes:
    """Collected until `take` makes commands of them; until `recorded` those still count as failed."""

    def __init__(self, endpoint: str, after: Mapping[str, int]) -> None:
        self.delivered = 0
        self.missed = 0
        self._endpoint = endpoint
        self._after = dict(after)
        self._failed: list[Attempt] = []
        self._settled: list[str] = []
        self._is_gone = False
        self._has_recovered = False
        self._taken = Record(endpoint)

    @property
    def failed(self) -> int:
        """How many failed of which the record does not say so yet."""
        return len(self._failed) + len(self._taken.failed)

    def settle(self, event_id: str, *, was_held_up: bool) -> None:
        """A message that waited was taken: by an endpoint that is sent nothing new, perhaps."""
        self._settled.append(event_id)
        self._has_recovered = self._has_recovered or was_held_up

    def fail(self, attempt: Attempt, *, is_gone: bool) -> None:
        """A message was not taken."""
        self._failed.append(attempt)
        self._is_gone = self._is_gone or is_gone

    def take(self, through: Mapping[str, int]) -> list[msgspec.Struct]:
        """The commands that record what is new: the cursors too, up to which every event is done with."""
        after = {log: number for log, number in through.items() if number > self._after.get(log, 0)}
        self._taken = Record(
            self._endpoint,
            after=after,
            delivered=self.delivered,
            failed=tuple(self._failed),
            settled=tuple(self._settled),
            missed=self.missed,
            is_gone=self._is_gone,
        )
        commands: list[msgspec.Struct] = [] if self._taken == Record(self._endpoint) else [self._taken]
        if self._has_recovered:
            commands.append(Recover(self._endpoint))
        self._after.update(after)
        self._failed, self._settled = [], []
        self.delivered = self.missed = 0
        self._is_gone = self._has_recovered = False
        return commands

    def recorded(self) -> set[str]:
        """They are: return the ids of the messages that are settled, or failed once more."""
        event_ids = {*self._taken.settled, *(each.event_id for each in self._taken.failed)}
        self._taken = Record(self._endpoint)
        return event_ids
