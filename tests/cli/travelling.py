"""A service with sagas for `ropewalk serve` to find."""

from ropewalk.proving.workloads.travel import travel

SERVICE = travel()
