"""What shows that a system keeps its promises: conformance of engines, faults, simulated worlds."""
