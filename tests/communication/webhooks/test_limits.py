"""The bounds of webhooks fit each other."""

from ropewalk.communication.webhooks import limits


def test_a_message_is_tried_for_about_three_days_with_growing_pauses() -> None:
    assert list(limits.RETRY_DELAYS_S) == sorted(limits.RETRY_DELAYS_S)
    assert sum(limits.RETRY_DELAYS_S) == 75 * 3600 + 35 * 60 + 5


def test_what_all_endpoints_keep_fits_in_memory() -> None:
    assert limits.ENDPOINTS_MAX * limits.KEPT_BYTES_MAX < 2**30
