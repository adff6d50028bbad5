"""What became of one endpoint's messages since the last record.

Checked by: tests/communication/webhooks/test_outcomes.py
"""

from collections.abc import Iterable, Mapping

import msgspec

from ropewalk.communication.webhooks.limits import RECORD_BYTES_MAX, WAITING_MAX
from ropewalk.communication.webhooks.messages import Attempt, Record, Recover


class Outcomes:
    """Collected until `take` makes commands of them; until `recorded` those still count as failed."""

    def __init__(self, endpoint: str, after: Mapping[str, int], *, replays: int = 0) -> None:
        self.delivered = 0
        self.missed = 0
        self._endpoint = endpoint
        self._replays = replays
        self._after = dict(after)
        self._failed: list[Attempt] = []
        self._settled: list[str] = []
        self._is_gone = False
        self._has_recovered = False
        self._taken_ids: set[str] = set()
        self._being_recorded = 0

    @property
    def failed(self) -> int:
        """How many failed of which the record does not say so yet."""
        return len(self._failed) + self._being_recorded

    def settle(self, event_id: str, *, was_held_up: bool) -> None:
        """A message that waited was taken: by an endpoint that is sent nothing new, perhaps."""
        self._settled.append(event_id)
        self._has_recovered = self._has_recovered or was_held_up

    def fail(self, attempt: Attempt, *, is_gone: bool) -> None:
        """A message was not taken."""
        self._failed.append(attempt)
        self._is_gone = self._is_gone or is_gone

    def take(self, through: Mapping[str, int]) -> list[msgspec.Struct]:
        """The commands that record what is new, one a record: also the cursors up to which nothing is open."""
        after = {log: number for log, number in through.items() if number > self._after.get(log, 0)}
        *early, last = _chunks(self._failed)
        record = Record(
            self._endpoint,
            after=after,
            delivered=self.delivered,
            failed=last,
            settled=tuple(self._settled),
            missed=self.missed,
            is_gone=self._is_gone,
            replays=self._replays,
        )
        # The cursors come last: an event behind them must not be one whose failure is still to be recorded.
        commands: list[msgspec.Struct] = [Record(self._endpoint, failed=chunk) for chunk in early]
        commands += [record] if record != Record(self._endpoint, replays=self._replays) else []
        commands += [Recover(self._endpoint)] if self._has_recovered else []
        self._after.update(after)
        self._taken_ids = {*self._settled, *(each.event_id for each in self._failed)}
        self._being_recorded = len(self._failed)
        self._failed, self._settled = [], []
        self.delivered = self.missed = 0
        self._is_gone = self._has_recovered = False
        return commands

    def recorded(self) -> set[str]:
        """They are: return the ids of the messages that are settled, or failed once more."""
        self._being_recorded = 0
        return self._taken_ids


def _chunks(failed: Iterable[Attempt]) -> list[tuple[Attempt, ...]]:
    """What failed, cut so that each part's messages fit one record; the last part may be empty."""
    chunks: list[tuple[Attempt, ...]] = [()]
    size = 0
    for attempt in failed:
        size += len(attempt.body)
        if size > RECORD_BYTES_MAX or len(chunks[-1]) >= WAITING_MAX:
            chunks.append(())
            size = len(attempt.body)
        chunks[-1] = (*chunks[-1], attempt)
    return chunks
