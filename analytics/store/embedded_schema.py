"""The tables of the embedded store's file and how an older file gets them."""

from __future__ import annotations

import sqlite3
from typing import Final

from analytics.store.base import StoreError
from analytics.store.database import Database

SCHEMA_VERSION: Final = 2

_FIRST = """
CREATE TABLE sensor (
    id INTEGER PRIMARY KEY,
    wearer TEXT NOT NULL,
    sensor TEXT NOT NULL,
    longest_ns INTEGER NOT NULL,
    UNIQUE (wearer, sensor)
) STRICT;
CREATE TABLE layout (id INTEGER PRIMARY KEY, channels TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE batch (
    sensor_id INTEGER NOT NULL REFERENCES sensor ON DELETE CASCADE,
    t0_ns INTEGER NOT NULL,
    dt_ns INTEGER NOT NULL,
    n INTEGER NOT NULL,
    layout_id INTEGER NOT NULL REFERENCES layout,
    session BLOB NOT NULL,
    seq INTEGER NOT NULL,
    lost INTEGER NOT NULL,
    flags INTEGER NOT NULL,
    rx_ns INTEGER NOT NULL,
    clock_err_ns INTEGER NOT NULL,
    accel BLOB,
    gyro BLOB,
    mag BLOB,
    PRIMARY KEY (sensor_id, t0_ns)
) STRICT, WITHOUT ROWID;
CREATE TABLE result (
    id INTEGER PRIMARY KEY,
    wearer TEXT NOT NULL,
    kind TEXT NOT NULL,
    start_ns INTEGER NOT NULL,
    end_ns INTEGER NOT NULL,
    body TEXT NOT NULL,
    algorithm_version TEXT NOT NULL,
    params_hash TEXT NOT NULL
) STRICT;
CREATE INDEX result_time ON result (wearer, start_ns, kind);
CREATE INDEX result_kind ON result (wearer, kind, start_ns, end_ns);
"""
_SECOND = """
CREATE TABLE block (
    id INTEGER PRIMARY KEY,
    sensor_id INTEGER NOT NULL REFERENCES sensor ON DELETE CASCADE,
    cell INTEGER NOT NULL,
    layout_id INTEGER NOT NULL REFERENCES layout,
    start_ns INTEGER NOT NULL,
    last_ns INTEGER NOT NULL,
    batches INTEGER NOT NULL,
    samples INTEGER NOT NULL,
    crc32 INTEGER NOT NULL,
    data BLOB NOT NULL,
    UNIQUE (sensor_id, cell, layout_id)
) STRICT;
ALTER TABLE result ADD COLUMN version TEXT NOT NULL DEFAULT '';
DROP INDEX result_time;
DROP INDEX result_kind;
CREATE INDEX result_time ON result (wearer, version, start_ns, kind);
CREATE INDEX result_kind ON result (wearer, version, kind, start_ns, end_ns);
"""
_STEPS: Final = (_FIRST, _SECOND)
"""Step n brings a file from schema n to n + 1."""


def bring_to_head(db: Database) -> None:
    """Make or migrate the tables; StoreError for a file of a newer Trunkline. Several processes
    may call this at once: whoever comes second finds it done."""
    with db.read() as connection:
        version = _version(connection)
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"database {db.path.name} has schema {version}, this Trunkline knows up to "
            f"{SCHEMA_VERSION}",
            "install the newer Trunkline again",
        )
    if version == SCHEMA_VERSION:
        return
    with db.transaction() as connection:
        for step in _STEPS[_version(connection) :]:
            for statement in step.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
