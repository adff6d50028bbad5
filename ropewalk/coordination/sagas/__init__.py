"""Sagas: steps in several services, each undone if a later one can't be done."""
