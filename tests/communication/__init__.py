"""What stands between a caller and a partition, decision by decision."""
