"""Notes of clinicians, and who changed which personal limit."""

from alembic import op

revision = "0007"
down_revision = "0006"

TABLES = ("note", "limit_change")


def upgrade() -> None:
    """Both are append-only: an edited note is a new row that names the one it replaces."""
    op.execute(
        """
        CREATE TABLE note (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
            at_ns INTEGER NOT NULL,
            user TEXT NOT NULL,
            text TEXT NOT NULL CHECK (length(text) BETWEEN 1 AND 4000),
            replaces INTEGER UNIQUE REFERENCES note ON DELETE CASCADE
        ) STRICT
        """
    )
    op.execute("CREATE INDEX note_wearer ON note (wearer, id)")
    op.execute(
        """
        CREATE TABLE limit_change (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
            at_ns INTEGER NOT NULL,
            user TEXT NOT NULL,
            name TEXT NOT NULL,
            old REAL,
            new REAL
        ) STRICT
        """
    )
    op.execute("CREATE INDEX limit_change_wearer ON limit_change (wearer, id)")
    for table in TABLES:
        op.execute(
            f"""
            CREATE TRIGGER {table}_keeps_rows BEFORE DELETE ON {table}
            WHEN NOT EXISTS (SELECT 1 FROM erasing WHERE erasing.wearer = OLD.wearer)
            BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
            """  # noqa: S608 - names of our own
        )
        op.execute(
            f"""
            CREATE TRIGGER {table}_keeps_values BEFORE UPDATE ON {table}
            BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END
            """
        )
