"""Notes in the diary, what a wearer allows of alerts, and the alerts that were given."""

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """An alert is put on record before it is delivered: what is counted has been allowed."""
    op.execute("ALTER TABLE diary ADD COLUMN note TEXT CHECK (length(note) <= 500)")
    op.execute(
        """
        CREATE TABLE alert_settings (
            wearer TEXT PRIMARY KEY REFERENCES wearer ON DELETE CASCADE,
            body TEXT NOT NULL
        ) STRICT
        """
    )
    op.execute(
        """
        CREATE TABLE alert (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
            at_ns INTEGER NOT NULL,
            kind TEXT NOT NULL,
            text TEXT NOT NULL
        ) STRICT
        """
    )
    op.execute("CREATE INDEX alert_wearer ON alert (wearer, at_ns)")
