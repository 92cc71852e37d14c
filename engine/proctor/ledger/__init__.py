"""The append-only, tamper-evident record, and what is stored beside it in the same transaction."""
