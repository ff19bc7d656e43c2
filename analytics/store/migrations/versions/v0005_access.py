"""Sessions, tokens, invitations, second factors, and what people ask for: exports, erasing."""

from alembic import op

revision = "0005"
down_revision = "0004"

TABLES = (
    # A digest is the SHA-256 of a random secret that only its holder has.
    """
    CREATE TABLE login_session (
        digest BLOB PRIMARY KEY,
        user TEXT NOT NULL REFERENCES user ON DELETE CASCADE,
        device TEXT NOT NULL,
        created_ns INTEGER NOT NULL,
        seen_ns INTEGER NOT NULL,
        ends_ns INTEGER NOT NULL
    ) STRICT
    """,
    "CREATE INDEX login_session_user ON login_session (user)",
    """
    CREATE TABLE api_token (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user TEXT NOT NULL REFERENCES user ON DELETE CASCADE,
        name TEXT NOT NULL,
        digest BLOB NOT NULL UNIQUE,
        scopes TEXT NOT NULL,
        created_ns INTEGER NOT NULL,
        ends_ns INTEGER NOT NULL,
        used_ns INTEGER
    ) STRICT
    """,
    "CREATE INDEX api_token_user ON api_token (user)",
    # By a digest of the name that was typed: it may be a mistyped password.
    """
    CREATE TABLE failed_login (
        digest BLOB PRIMARY KEY,
        failures INTEGER NOT NULL,
        last_ns INTEGER NOT NULL
    ) STRICT
    """,
    # Without a role it is for a new password of a log-in that is there.
    """
    CREATE TABLE invitation (
        digest BLOB PRIMARY KEY,
        name TEXT NOT NULL,
        role TEXT CHECK (role IN ('patient', 'clinician', 'researcher', 'admin')),
        wearer TEXT REFERENCES wearer ON DELETE CASCADE,
        made_by TEXT NOT NULL REFERENCES user ON DELETE CASCADE,
        created_ns INTEGER NOT NULL,
        ends_ns INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE second_factor (
        user TEXT PRIMARY KEY REFERENCES user ON DELETE CASCADE,
        secret TEXT NOT NULL,
        confirmed INTEGER NOT NULL DEFAULT 0 CHECK (confirmed IN (0, 1)),
        last_step INTEGER NOT NULL DEFAULT 0
    ) STRICT
    """,
    """
    CREATE TABLE recovery_code (
        user TEXT NOT NULL REFERENCES user ON DELETE CASCADE,
        digest BLOB NOT NULL,
        PRIMARY KEY (user, digest)
    ) STRICT
    """,
    """
    CREATE TABLE outside_identity (
        issuer TEXT NOT NULL,
        subject TEXT NOT NULL,
        user TEXT NOT NULL REFERENCES user ON DELETE CASCADE,
        PRIMARY KEY (issuer, subject)
    ) STRICT
    """,
    """
    CREATE TABLE erase_request (
        wearer TEXT PRIMARY KEY REFERENCES wearer ON DELETE CASCADE,
        user TEXT NOT NULL,
        at_ns INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE cohort (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        user TEXT NOT NULL REFERENCES user ON DELETE CASCADE,
        name TEXT NOT NULL,
        UNIQUE (user, name)
    ) STRICT
    """,
    """
    CREATE TABLE cohort_member (
        cohort INTEGER NOT NULL REFERENCES cohort ON DELETE CASCADE,
        wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
        PRIMARY KEY (cohort, wearer)
    ) STRICT
    """,
    """
    CREATE TABLE export_job (
        id TEXT PRIMARY KEY,
        user TEXT NOT NULL REFERENCES user ON DELETE CASCADE,
        asked TEXT NOT NULL,
        state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'ready', 'failed')),
        share REAL NOT NULL DEFAULT 0,
        size_bytes INTEGER,
        digest TEXT,
        detail TEXT NOT NULL DEFAULT '',
        created_ns INTEGER NOT NULL,
        ends_ns INTEGER
    ) STRICT
    """,
    """
    CREATE TABLE export_job_wearer (
        job TEXT NOT NULL REFERENCES export_job ON DELETE CASCADE,
        wearer TEXT NOT NULL REFERENCES wearer ON DELETE CASCADE,
        PRIMARY KEY (job, wearer)
    ) STRICT
    """,
)


def upgrade() -> None:
    """Make the tables."""
    for statement in TABLES:
        op.execute(statement)
