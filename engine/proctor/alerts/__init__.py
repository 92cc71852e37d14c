"""Tells others what was decided: CloudEvents from the outbox, signed, delivered at least once."""
