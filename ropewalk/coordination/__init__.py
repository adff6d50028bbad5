"""What the partitions and the clients of a system agree on, and how: pure, and written as machines."""
