"""Wearers, users, what the wearers' side reports, audit, and ingest's bookkeeping."""

from alembic import op

revision = "0001"
down_revision = None

TABLES = (
    """
    CREATE TABLE wearer (
        wearer TEXT PRIMARY KEY,
        time_zone TEXT NOT NULL,
        created_ns INTEGER NOT NULL,
        slouch_enter_deg REAL CHECK (slouch_enter_deg BETWEEN 0 AND 90),
        slouch_bout_min_s REAL NOT NULL DEFAULT 600 CHECK (slouch_bout_min_s > 0),
        walking_limit_s REAL NOT NULL DEFAULT 600 CHECK (walking_limit_s > 0),
        alerts_on INTEGER NOT NULL DEFAULT 0 CHECK (alerts_on IN (0, 1)),
        agent_state TEXT
    ) STRICT
    """,
    """
    CREATE TABLE sensor (
        wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
        sensor TEXT NOT NULL,
        birth TEXT,
        birth_session TEXT,
        status TEXT,
        updated_ns INTEGER NOT NULL,
        PRIMARY KEY (wearer, sensor)
    ) STRICT
    """,
    """
    CREATE TABLE user (
        name TEXT PRIMARY KEY,
        password_hash TEXT NOT NULL,
        role TEXT NOT NULL CHECK (role IN ('patient', 'clinician', 'researcher', 'admin')),
        wearer TEXT REFERENCES wearer ON DELETE CASCADE,
        created_ns INTEGER NOT NULL,
        CHECK ((role = 'patient') = (wearer IS NOT NULL))
    ) STRICT
    """,
    """
    CREATE TABLE access_grant (
        user TEXT NOT NULL REFERENCES user ON DELETE CASCADE,
        wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
        PRIMARY KEY (user, wearer)
    ) STRICT
    """,
    """
    CREATE TABLE hold (
        wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
        sensor TEXT NOT NULL,
        start_ns INTEGER NOT NULL,
        end_ns INTEGER NOT NULL CHECK (end_ns > start_ns),
        posture TEXT NOT NULL CHECK (posture IN ('sitting', 'standing')),
        source TEXT NOT NULL,
        PRIMARY KEY (wearer, sensor, start_ns)
    ) STRICT
    """,
    """
    CREATE TABLE diary (
        id INTEGER PRIMARY KEY,
        wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
        at_ns INTEGER NOT NULL,
        symptom TEXT NOT NULL,
        site TEXT,
        side TEXT,
        severity INTEGER CHECK (severity BETWEEN 0 AND 10),
        entered_ns INTEGER NOT NULL,
        source TEXT NOT NULL
    ) STRICT
    """,
    # NULL differs from NULL in a UNIQUE constraint, so the key needs a text in its place.
    """
    CREATE UNIQUE INDEX diary_key
        ON diary (wearer, at_ns, symptom, ifnull(site, ''), ifnull(side, ''))
    """,
    """
    CREATE TABLE mark (
        wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
        at_ns INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('pause', 'resume', 'note')),
        PRIMARY KEY (wearer, at_ns, kind)
    ) STRICT
    """,
    """
    CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ns INTEGER NOT NULL,
        user TEXT NOT NULL,
        action TEXT NOT NULL,
        wearer TEXT,
        detail TEXT NOT NULL
    ) STRICT
    """,
    "CREATE INDEX audit_wearer ON audit (wearer, at_ns)",
    # Filled only inside the transaction that erases a wearer and the log-ins of that person.
    "CREATE TABLE erasing (wearer TEXT, user TEXT) STRICT",
    """
    CREATE TRIGGER audit_keeps_rows BEFORE DELETE ON audit
    WHEN NOT EXISTS (
        SELECT 1 FROM erasing WHERE erasing.wearer = OLD.wearer OR erasing.user = OLD.user
    )
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
    """,
    """
    CREATE TRIGGER audit_keeps_values BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END
    """,
    """
    CREATE TABLE dead_letter (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at_ns INTEGER NOT NULL,
        wearer TEXT,
        topic TEXT NOT NULL,
        reason TEXT NOT NULL,
        payload BLOB NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE watermark (
        wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
        sensor TEXT NOT NULL,
        session TEXT NOT NULL,
        committed INTEGER NOT NULL,
        beyond TEXT NOT NULL,
        PRIMARY KEY (wearer, sensor, session)
    ) STRICT
    """,
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT",
)


def upgrade() -> None:
    """Make the tables; foreign keys refer to the primary key of the table they name."""
    for statement in TABLES:
        op.execute(statement)
