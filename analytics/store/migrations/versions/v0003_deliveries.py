"""What an audit of the deliveries compares, and what it found."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """The last word of every sensor session, the losses on record, one finding a day."""
    op.execute(
        """
        CREATE TABLE session_status (
            wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
            sensor TEXT NOT NULL,
            session TEXT NOT NULL,
            at_ns INTEGER NOT NULL,
            status TEXT NOT NULL,
            PRIMARY KEY (wearer, sensor, session)
        ) STRICT
        """
    )
    op.execute(
        """
        CREATE TABLE loss (
            wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
            sensor TEXT NOT NULL,
            session TEXT NOT NULL,
            first_seq INTEGER NOT NULL,
            last_seq INTEGER NOT NULL,
            samples INTEGER NOT NULL,
            PRIMARY KEY (wearer, sensor, session, first_seq)
        ) STRICT
        """
    )
    op.execute(
        """
        CREATE TABLE delivery (
            wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
            day TEXT NOT NULL,
            made_ns INTEGER NOT NULL,
            body TEXT NOT NULL,
            PRIMARY KEY (wearer, day)
        ) STRICT
        """
    )
