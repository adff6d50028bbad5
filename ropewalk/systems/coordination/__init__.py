"""Coordination: locks, leases, elections, semaphores, counters and configuration that programs share."""
