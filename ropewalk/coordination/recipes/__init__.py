"""What people ask ZooKeeper and etcd for: sessions, locks, semaphores, elections, counters, configuration."""
