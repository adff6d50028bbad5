"""What a world's clients ask, and who judges the answers."""
