"""The outbox's file under faults of the disk: full, damaged, locked, old, not writable."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensor_agent.outbox import TRUST_S, Outbox, OutboxError, StreamEnd
from tests.conftest import missing
from tests.sensor_agent.test_outbox import NOW_NS, batch, seqs
from tests.servers import tiny_disk
from wire.ids import new_session
from wire.topics import Kind

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def session() -> str:
    return new_session()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid() != 0:
        missing("a small file system can only be mounted by root")
    with tiny_disk(tmp_path / "disk", "12m") as folder:
        yield folder


def fill(outbox: Outbox, session: str) -> int:
    """Append until the disk is full; the first number that is not held."""
    for seq in range(0, 100_000, 20):
        some = [("trunk", batch(session, s)) for s in range(seq, seq + 20)]
        try:
            outbox.append(some, NOW_NS)
        except OutboxError:
            with pytest.raises(OutboxError, match="is full"):
                outbox.append(some, NOW_NS)
            return seq
    raise AssertionError("the disk never became full")


def test_what_is_delivered_is_deleted_on_a_full_disk_too(disk: Path, session: str) -> None:
    outbox = Outbox(disk / "outbox.db", "w1")
    first_out = fill(outbox, session)
    assert first_out > 1000
    with pytest.raises(OSError, match="No space"):
        (disk / "more").write_bytes(bytes(12 << 20))  # what was left
    for seq in range(0, first_out, 250):
        assert outbox.commit(session, seq)[0] > 0
    assert outbox.commit(session, first_out)[0] > 0
    assert outbox.is_empty()
    # and what was deleted makes room for what comes, the disk being as full as before
    outbox.append([("trunk", batch(session, first_out))], NOW_NS)
    assert seqs(outbox, session) == [first_out]
    outbox.close()


def test_a_disk_with_room_again_takes_everything(disk: Path, session: str) -> None:
    ballast = disk / "ballast"
    ballast.write_bytes(bytes(5 << 20))
    outbox = Outbox(disk / "outbox.db", "w1")
    first_out = fill(outbox, session)
    with pytest.raises(OutboxError, match="is full"):
        outbox.append_small(Kind.MARK, "trunkline/v1/w1/mark", bytes(200_000))
    ballast.unlink()
    outbox.append([("trunk", batch(session, s)) for s in range(first_out, first_out + 500)], NOW_NS)
    assert seqs(outbox, session) == list(range(first_out + 500))
    outbox.close()


def test_an_agent_starts_on_a_full_disk(disk: Path, session: str) -> None:
    outbox = Outbox(disk / "outbox.db", "w1")
    outbox.append([("trunk", batch(session, s)) for s in range(100)], NOW_NS)
    outbox.close()
    with pytest.raises(OSError, match="No space"):
        (disk / "more").write_bytes(bytes(12 << 20))
    outbox = Outbox(disk / "outbox.db", "w1")
    assert outbox.commit(session, 99) == (100, 5000)
    outbox.close()


@pytest.mark.parametrize("where", [0, 30_000, 60_000])
def test_a_damaged_file_is_put_aside_and_the_rest_saved(
    path: Path, session: str, where: int, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(path, "w1")
    for first in range(0, 400, 10):
        outbox.append([("trunk", batch(session, s)) for s in range(first, first + 10)], NOW_NS)
    outbox.close()
    with path.open("r+b") as file:
        file.seek(where)
        file.write(os.urandom(9000))
    outbox = Outbox(path, "w1")
    held = seqs(outbox, session)
    assert held == sorted(held)
    assert (len(held) >= 100) == (where > 0)
    outbox.append([("trunk", batch(session, 400))], NOW_NS)
    outbox.close()
    assert [r.levelno for r in caplog.records] == [logging.ERROR]
    assert len(list(path.parent.glob("outbox.db.damaged-*[0-9]"))) == 1


def test_damage_found_later_is_mended_without_a_restart(path: Path, session: str) -> None:
    outbox = Outbox(path, "w1")
    outbox.append([("trunk", batch(session, s)) for s in range(3000)], NOW_NS)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(os.urandom(size - 8192))
    outbox._file._db.execute("PRAGMA shrink_memory")  # what is cached would hide it
    with pytest.raises(OutboxError, match="cannot be used"):
        outbox.commit(session, 2999)
    outbox.append([("trunk", batch(session, 9000))], NOW_NS)
    assert seqs(outbox, session)[-1] == 9000
    outbox.close()


def test_two_agents_do_not_share_a_file(path: Path) -> None:
    outbox = Outbox(path, "w1")
    with pytest.raises(OutboxError, match="stop the other agent"):
        Outbox(path, "w1")
    outbox.close()


def test_a_file_of_the_first_schema_is_taken_over(path: Path, session: str) -> None:
    outbox = Outbox(path, "w1")
    outbox.append([("trunk", batch(session, s)) for s in range(3)], NOW_NS)
    outbox.close()
    old = sqlite3.connect(path)
    old.executescript(
        "ALTER TABLE message DROP COLUMN at_ns; DROP TABLE stream; DROP TABLE newest;"
        " PRAGMA user_version = 1"
    )
    old.close()
    outbox = Outbox(path, "w1")
    outbox.append([("trunk", batch(session, 3))], NOW_NS)
    assert seqs(outbox, session) == [0, 1, 2, 3]
    outbox.close()


def test_the_old_is_dropped_on_record_once_the_clock_is_trusted(path: Path, session: str) -> None:
    now_ns = {"monotonic": 5 * SECOND_NS}
    outbox = Outbox(path, "w1", max_age_s=86_400, monotonic_ns=lambda: now_ns["monotonic"])

    def append(seq: int, utc_ns: int) -> int:
        return sum(d.batches for d in outbox.append([("trunk", batch(session, seq))], utc_ns))

    assert append(0, NOW_NS) == 0
    assert append(1, NOW_NS + 20 * 365 * DAY_NS) == 0  # a clock that is wrong at boot drops nothing
    now_ns["monotonic"] += round(TRUST_S * 1e9)
    assert append(2, NOW_NS + round(TRUST_S * 1e9)) == 0  # put right: trusted an hour from now
    now_ns["monotonic"] += 2 * DAY_NS
    assert append(3, NOW_NS + 2 * DAY_NS) == 0
    now_ns["monotonic"] += 2 * DAY_NS
    assert append(4, NOW_NS + 4 * DAY_NS) == 3
    assert seqs(outbox, session) == [1, 4]  # the one from the future is not old yet
    assert [(d.first_seq, d.last_seq, d.samples) for d in outbox.dropped()] == [(0, 3, 150)]
    outbox.close()


def test_where_a_stream_broke_off_is_known_to_the_next_run(path: Path, session: str) -> None:
    outbox = Outbox(path, "w1")
    outbox.append([("trunk", batch(session, 0)), ("trunk", batch(session, 1))], NOW_NS)
    outbox.commit(session, 1)
    outbox.close()  # as after a crash
    outbox = Outbox(path, "w1")
    end_ns = NOW_NS + SECOND_NS + 49 * 20_000_000
    assert outbox.stream_ends() == {"trunk": StreamEnd(end_ns, 20_000_000)}
    assert outbox.newest_session() == session
    outbox.stream_ended()
    outbox.close()
    outbox = Outbox(path, "w1")
    assert outbox.stream_ends() == {}
    outbox.close()
