"""What alembic runs a migration in: a transaction of whoever calls it, or no database at all, only SQL to be run.

PostgreSQL is given SQL, so that its one library is enough. Migrations are therefore made of `op`s and SQL, and read
nothing from the database.
"""

from alembic import context

given = context.config.attributes
if context.is_offline_mode():
    context.configure(dialect_name="postgresql", output_buffer=given["script"], transactional_ddl=False)
else:
    context.configure(connection=given["connection"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
