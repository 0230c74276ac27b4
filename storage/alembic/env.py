"""Run revisions in the transaction that :mod:`storage.schema` has opened."""

from alembic import context

# SQLite changes a table by making a copy of it.
context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
context.run_migrations()
