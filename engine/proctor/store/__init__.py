"""Storage: tables, migrations, the database and the lock on the state directory. Knows nothing of the ledger."""
