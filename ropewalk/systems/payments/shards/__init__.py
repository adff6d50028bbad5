"""What goes between the shards of payments: transfers by two-phase commit, and reads that never show half of one."""
