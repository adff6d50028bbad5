"""Every bound of the communication layer, in one place, with its reason; their relations are checked on import.

Checked by: tests/communication/test_limits.py
"""

from typing import Final

from ropewalk.errors import invariant

HOP_MARGIN_S: Final = 0.005
"""What a hop keeps of a deadline for itself, so that its own answer still arrives in time."""

HOP_LEAST_S: Final = 0.001
"""A deadline nearer than this is not sent on: nobody could answer it."""

ATTEMPTS_MAX: Final = 4
"""Times that one request is sent at most, the first included."""

BACKOFF_BASE_S: Final = 0.02
"""The first pause before a retry is drawn from zero to this; each further one from twice as much."""

BACKOFF_MAX_S: Final = 2.0
"""No pause is drawn from more than this."""

RETRY_SHARE: Final = 0.2
"""Retries for each request: when all fail, targets see a fifth more and not four times as much."""

RETRIES_PER_SECOND: Final = 1.0
"""Retries that are allowed without any requests, for who calls seldom."""

RETRY_TOKENS_MAX: Final = 20.0
"""Retries that may be saved up, so that a long calm does not pay for a storm."""

HEDGE_SHARE: Final = 0.05
"""Second reads for each stale read: the slowest twentieth is what hedging is for."""

HEDGE_TOKENS_MAX: Final = 10.0
"""Second reads that may be saved up."""

HEDGE_PERCENT: Final = 95
"""A read is late when it takes longer than so many of a hundred recent ones."""

HEDGE_LATENCIES: Final = 128
"""Recent latencies that say what is late."""

HEDGE_LATENCIES_LEAST: Final = 20
"""With fewer latencies than this nothing is known to be late."""

BREAKER_WINDOW_S: Final = 10.0
"""A breaker counts what happened within this time."""

BREAKER_BUCKETS: Final = 10
"""Parts of that time, which are forgotten one by one."""

BREAKER_CALLS_LEAST: Final = 20
"""With fewer calls than this in the window a breaker does not trip: two failures of three say nothing."""

BREAKER_FAILURE_SHARE: Final = 0.5
"""A breaker trips when this share of the calls in its window failed."""

BREAKER_OPEN_S: Final = 2.0
"""How long a target is left alone before it is probed. A restart takes about as long."""

BREAKER_PROBES: Final = 3
"""Calls that probe a target at once; when all are well it is called as before."""

BULKHEAD_RUNNING_MAX: Final = 256
"""Calls under way to one target, so that one that hangs holds no more than these."""

BULKHEAD_WAITING_MAX: Final = 1_024
"""Calls that wait for one of those places. Past it the answer is `NotAccepted`, at once."""

TARGETS_MAX: Final = 256
"""Targets of one client."""

LATENCY_MEMORY_S: Final = 10.0
"""A slow answer is forgotten by about two thirds after this time. A slower one counts at once."""

EJECTION_FAILURES: Final = 5
"""A target that failed so often in a row is an outlier, though its window holds too few calls to say."""

EJECTION_CALLS_LEAST: Final = 20
"""With fewer calls than this a target's share of successes is not compared with the others'."""

EJECTION_SUCCESS_RATIO: Final = 0.7
"""A target whose share of successes is below this part of the average of the others is an outlier."""

EJECTION_MEMORY_CALLS: Final = 50
"""The share of successes is over about so many calls."""

EJECTION_BASE_S: Final = 1.0
"""How long an outlier is ejected the first time; the second time twice as long, the third three times."""

EJECTION_MAX_S: Final = 30.0
"""No ejection is longer."""

EJECTED_SHARE_MAX: Final = 0.5
"""If more than this share of the targets seems to fail, it is not they who are the outliers."""

ADMISSION_TARGET_S: Final = 0.015
"""A partition takes on what it answers within this time, beside what writing two records takes. It is about three
records, of which one is applied at a time, so a refusal waits for a third of it, some 5 ms."""

ADMISSION_FLOOR: Final = 320
"""Requests that a partition takes on however slow it is, so that a few hundred connections, each with one request,
are never refused."""

ADMISSION_CALLS_LEAST: Final = 16
"""Calls that a partition takes on however many requests are in them: bulk comes in few calls."""

ADMISSION_STEP: Final = 16
"""Requests by which the limit grows with a record that was answered in time while callers were refused."""

ADMISSION_BACKOFF: Final = 0.9
"""What is left of the limit after a record was late. Nine tenths keep the rate up while the limit is looked for."""

ADMISSION_PART_STEP: Final = 0.01
"""What a class gets back of its part with a record during which nothing more important was refused."""

SHARE_OF_CRITICAL: Final = 1.0
"""The part of the limit that the highest class may fill."""

SHARE_OF_INTERACTIVE: Final = 0.9
"""The part that calls of people may fill; the rest is kept for what is critical."""

SHARE_OF_BULK: Final = 0.6
"""The part that bulk may fill, so that it is refused first and a person's call always finds room beside it."""

invariant(HOP_LEAST_S <= HOP_MARGIN_S, "a hop keeps more than the least that may be left")
invariant(BACKOFF_BASE_S <= BACKOFF_MAX_S, "the first pause is allowed")
invariant(HEDGE_LATENCIES_LEAST <= HEDGE_LATENCIES, "enough latencies are kept to know what is late")
invariant(BREAKER_PROBES <= BULKHEAD_RUNNING_MAX, "all probes may be under way at once")
invariant(EJECTION_BASE_S <= EJECTION_MAX_S, "the first ejection is allowed")
invariant(SHARE_OF_BULK <= SHARE_OF_INTERACTIVE <= SHARE_OF_CRITICAL <= 1.0, "a higher class may fill more")
invariant(ADMISSION_FLOOR * SHARE_OF_INTERACTIVE >= 256, "256 connections with a request each are never refused")
