"""Run by Alembic for each of its commands; ``migrate.py`` has the connection, in a transaction that is under way."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
context.run_migrations()
