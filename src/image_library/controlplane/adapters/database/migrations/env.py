"""What Alembic runs: the missing steps, on the connection and in the transaction that it is given."""

from __future__ import annotations

from alembic import context

connection = context.config.attributes["connection"]
# SQLite can undo changes of tables; Alembic believes otherwise unless it is told.
context.configure(connection=connection, transactional_ddl=True, transaction_per_migration=False)
context.run_migrations()
