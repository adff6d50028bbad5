"""What those who answer for the books may do to accounts and transfers: limit, freeze, reverse, with who and why."""
