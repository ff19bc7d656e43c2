"""The queue between ingest and worker."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """AUTOINCREMENT: an id is never used twice, so clearing by id cannot hit a newer row."""
    op.execute(
        """
        CREATE TABLE arrival (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
            sensor TEXT NOT NULL,
            start_ns INTEGER NOT NULL,
            end_ns INTEGER NOT NULL CHECK (end_ns > start_ns)
        ) STRICT
        """
    )
