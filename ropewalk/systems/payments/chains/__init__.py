"""A payment through two institutions that don't trust one another: each does its part, and undoes it if need be."""
