"""What holds state: the log port, snapshots, the shelf of immutable blobs, read levels."""
