"""Schema of the clinic database as a chain of alembic revisions, applied on open."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from analytics.store.base import StoreError
from analytics.store.database import BUSY_TIMEOUT_S

HEAD = "0008"
"""The newest revision in versions/. Revisions are numbers, so older and newer can be told apart."""


def current_revision(connection: sqlite3.Connection) -> str | None:
    """Revision of the schema in the file; None for an empty file."""
    known = connection.execute(
        "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
    ).fetchone()
    if known is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def bring_to_head(path: Path, connection: sqlite3.Connection) -> None:
    """Migrate the file when it is older than HEAD; raise StoreError when it is newer.

    `connection` must not be in a transaction. Several processes may call this at once: the
    migration runs in one immediate transaction, and whoever comes second finds it done.
    """
    revision = current_revision(connection)
    if revision == HEAD:
        return
    if revision is not None and revision > HEAD:
        raise StoreError(
            f"database {path.name} has schema {revision}, this Trunkline knows up to {HEAD}",
            "install the newer Trunkline again or restore the backup made before the update",
        )
    _upgrade(path)


def _upgrade(path: Path) -> None:
    # What alembic sets up and applies is no news for the people who read our log.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    # Imported here: alembic and SQLAlchemy cost half a second that a current file does not need.
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
    engine.dispose()
