"""Guided calibrations: what was done when, how each step went, and from when on it counts."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """A version is given when a calibration is accepted; until then nothing is computed with it."""
    op.execute(
        """
        CREATE TABLE calibration (
            wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
            session TEXT NOT NULL,
            sensor TEXT NOT NULL,
            source TEXT NOT NULL,
            quality TEXT CHECK (quality IN ('good', 'rough', 'failed')),
            version INTEGER,
            valid_from_ns INTEGER,
            accepted_ns INTEGER,
            PRIMARY KEY (wearer, session),
            CHECK ((version IS NULL) = (accepted_ns IS NULL)),
            CHECK ((version IS NULL) = (valid_from_ns IS NULL))
        ) STRICT
        """
    )
    op.execute(
        """
        CREATE TABLE calibration_step (
            wearer TEXT NOT NULL,
            session TEXT NOT NULL,
            step TEXT NOT NULL CHECK (step IN ('stand', 'sit_tall', 'slouch', 'bend', 'walk')),
            start_ns INTEGER NOT NULL,
            end_ns INTEGER NOT NULL CHECK (end_ns > start_ns),
            distance_m REAL CHECK (distance_m BETWEEN 1 AND 1000),
            attempt INTEGER NOT NULL,
            passed INTEGER CHECK (passed IN (0, 1)),
            message TEXT NOT NULL DEFAULT '',
            figures TEXT NOT NULL DEFAULT '{}',
            PRIMARY KEY (wearer, session, step),
            FOREIGN KEY (wearer, session) REFERENCES calibration ON DELETE CASCADE
        ) STRICT
        """
    )
    op.execute(
        "CREATE INDEX calibration_open ON calibration_step (wearer, session) WHERE passed IS NULL"
    )
