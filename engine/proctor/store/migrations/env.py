"""Runs the migrations on the connection that `proctor.store.schema` hands over."""

from alembic import context

from proctor.store.tables import metadata

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",  # SQLite can't alter most of a table in place
    transactional_ddl=True,
)
context.run_migrations()
