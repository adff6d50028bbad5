"""Webhooks at work: the follower that sends events to endpoints, and how an operator looks after them."""
