"""Sagas on a node: started, waited for, and looked after by operators."""
