"""The one loop that joins the ports to a partition, and the service and node around it."""
