"""Alembic's entry: run the revisions on the connection that `bring_to_head` hands over."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True)
context.run_migrations()
