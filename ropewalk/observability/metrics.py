"""The metrics of partitions, followers and webhooks, for Prometheus.

They are updated once a record, so that they cost nothing a request. Durations are seconds, as Prometheus names them.

Checked by: tests/runtime/test_metrics.py, test_edge.py, test_followers.py, tests/runtime/webhooks/test_deliveries.py
"""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY = CollectorRegistry()

_LABELS = ("service", "partition")
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_REQUESTS = tuple(float(4**power) for power in range(8))

_answered = Counter("ropewalk_requests_answered", "Requests answered.", _LABELS, registry=REGISTRY)
_refused = Counter("ropewalk_requests_not_accepted", "Requests refused for now.", _LABELS, registry=REGISTRY)
_append = Histogram(
    "ropewalk_append_seconds", "Time to make a record durable.", _LABELS, buckets=_SECONDS, registry=REGISTRY
)
_apply = Histogram("ropewalk_apply_seconds", "Time to apply a record.", _LABELS, buckets=_SECONDS, registry=REGISTRY)
_batch = Histogram("ropewalk_batch_requests", "Requests in a record.", _LABELS, buckets=_REQUESTS, registry=REGISTRY)
_waiting = Gauge("ropewalk_waiting_requests", "Requests accepted and not yet answered.", _LABELS, registry=REGISTRY)
_position = Gauge("ropewalk_applied_position", "Position of the last applied record.", _LABELS, registry=REGISTRY)
_outbox = Gauge("ropewalk_outbox_messages", "Messages that wait for other partitions.", _LABELS, registry=REGISTRY)
_taken_in = Counter(
    "ropewalk_messages_taken_in", "Messages of other partitions taken in.", _LABELS, registry=REGISTRY
)
_leads = Gauge("ropewalk_leads", "1 while this process leads the partition.", _LABELS, registry=REGISTRY)

_FOLLOWED = ("service", "log")
_behind = Gauge(
    "ropewalk_follower_events_behind", "Events of a followed log not taken in yet.", _FOLLOWED, registry=REGISTRY
)
_heard = Gauge(
    "ropewalk_follower_heard_timestamp_seconds", "When a followed log was last heard.", _FOLLOWED, registry=REGISTRY
)

_ENDPOINT = ("service", "endpoint")
_taken = Counter("ropewalk_webhook_messages_taken", "Messages that an endpoint took.", _ENDPOINT, registry=REGISTRY)
_failed = Counter(
    "ropewalk_webhook_attempts_failed", "Attempts to deliver that failed.", _ENDPOINT, registry=REGISTRY
)
_letters = Gauge(
    "ropewalk_webhook_messages_waiting", "Messages that will be sent again.", _ENDPOINT, registry=REGISTRY
)
_dead = Gauge("ropewalk_webhook_dead_letters", "Messages given up, for an operator.", _ENDPOINT, registry=REGISTRY)


class PartitionMetrics:
    """One partition's row in each metric."""

    def __init__(self, service: str, partition: int) -> None:
        labels = (service, str(partition))
        self.answered = _answered.labels(*labels)
        self.not_accepted = _refused.labels(*labels)
        self.append_s = _append.labels(*labels)
        self.apply_s = _apply.labels(*labels)
        self.batch_requests = _batch.labels(*labels)
        self.waiting_requests = _waiting.labels(*labels)
        self.applied_position = _position.labels(*labels)
        self.outbox_messages = _outbox.labels(*labels)
        self.messages_taken_in = _taken_in.labels(*labels)
        self.leads = _leads.labels(*labels)

    def measure(self, position: int, requests: int, *, took_s: float, waiting: int) -> None:
        """A record is applied: where, how many requests it answered, in what time, and how many still wait."""
        self.answered.inc(requests)
        self.apply_s.observe(took_s)
        self.batch_requests.observe(requests)
        self.waiting_requests.set(waiting)
        self.applied_position.set(position)


class FollowerMetrics:
    """The row in each metric of a service that follows a log, from when it first hears of it."""

    def __init__(self, service: str, log: str) -> None:
        self._labels = (service, log)

    def heard(self, *, behind: int) -> None:
        """The log has so many events that the service has not."""
        _behind.labels(*self._labels).set(behind)
        _heard.labels(*self._labels).set_to_current_time()


class WebhookMetrics:
    """One endpoint's row in each metric, for as long as events are sent to it."""

    def __init__(self, service: str, endpoint: str) -> None:
        self._labels = (service, endpoint)
        self.taken = _taken.labels(*self._labels)
        self.failed = _failed.labels(*self._labels)
        self.waiting = _letters.labels(*self._labels)
        self.dead = _dead.labels(*self._labels)

    def forget(self) -> None:
        """It is sent nothing any more."""
        for metric in (_taken, _failed, _letters, _dead):
            metric.remove(*self._labels)
