"""A service with sagas for `ropewalk serve` to find."""

from tests.runtime.travel import travel

SERVICE = travel()
