"""What stands between a caller and a partition: when to call, whom, how often again, and when to be told no."""
