"""Industry systems, on the public API only: nothing here that a user's service could not do."""
