"""What a running system tells: traces and metrics, in the formats that others' tools read."""
