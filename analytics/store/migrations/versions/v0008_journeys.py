"""Where a wearer's days are counted from a time on."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Before the first journey the wearer's own `time_zone` counts."""
    op.execute(
        """
        CREATE TABLE journey (
            wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
            from_ns INTEGER NOT NULL,
            time_zone TEXT NOT NULL,
            PRIMARY KEY (wearer, from_ns)
        ) STRICT
        """
    )
