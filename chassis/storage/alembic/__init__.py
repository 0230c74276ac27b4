"""Hold the environment in which Alembic runs the revisions of any service."""
