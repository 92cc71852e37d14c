"""Judging again what exists: decisions that still hold, under what the systems of record say now."""
