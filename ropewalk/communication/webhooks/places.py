"""Where in each log an endpoint begins, and how far back an operator may set it.

Checked by: tests/communication/webhooks/test_places.py
"""

from collections.abc import Mapping

import msgspec

from ropewalk.communication.webhooks.messages import AddEndpoint, Begin, Progress, Refused, Supply


def begun(command: AddEndpoint, supply: Supply) -> Progress | Refused:
    """The progress of a new endpoint."""
    match command.begin:
        case Begin.FIRST:
            return Progress(command.after)
        case Begin.OLDEST:
            others: Mapping[str, int] = {log: oldest - 1 for log, oldest in supply.oldest.items()}
        case Begin.NEXT:
            others = supply.last
    return _unkept(command.after, supply) or Progress({**others, **command.after})


def set_back(progress: Progress, after: Mapping[str, int], supply: Supply) -> Progress | Refused:
    """The progress of an endpoint that is to get again what is behind these numbers."""
    refused = _unkept(after, supply)
    if refused is not None:
        return refused
    for log, number in after.items():
        now = progress.after.get(log, 0)
        if number > now:
            # What is skipped would be neither taken nor missed.
            return Refused("not_behind", f"it is done with event {now} of {log}: give that or less, and not {number}")
    return msgspec.structs.replace(progress, after={**progress.after, **after}, replays=progress.replays + 1)


def _unkept(after: Mapping[str, int], supply: Supply) -> Refused | None:
    for log, number in after.items():
        if log not in supply.last:
            return Refused("unknown_log", f"there is no log {log}: choose {', '.join(supply.last)}")
        oldest, last = supply.oldest[log], supply.last[log]
        if number < oldest - 1:
            detail = f"event {number + 1} of {log} is kept no more, {oldest} is the oldest that is: "
            return Refused("events_gone", f"{detail}give {oldest - 1} or more")
        if number > last:
            return Refused(
                "not_yet", f"event {number} of {log} has not happened, {last} is the last: give that or less"
            )
    return None
