"""ACH processing: institutions, files, settlement windows, returns, and what answers them."""
