"""The outbox: durable, in order, bounded, deleted only on the store's word."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sensor_agent.outbox import Dropped, Outbox, OutboxError
from wire.batch import Batch, Channel
from wire.codec import decode
from wire.ids import new_session
from wire.messages import Loss, digest
from wire.topics import Kind

NOW_NS = 1_750_000_000_000_000_000


def batch(session: str, seq: int, n: int = 50) -> Batch:
    raw = np.full((n, 3), seq % 1000, dtype=np.int16)
    return Batch(
        session=session,
        seq=seq,
        floor_seq=0,
        t0_ns=NOW_NS + seq * 10**9,
        dt_ns=20_000_000,
        n=n,
        channels={"accel": Channel(raw, 0.01)},
        rx_ns=NOW_NS,
        clock_err_ns=0,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sub" / "outbox.db"


@pytest.fixture
def session() -> str:
    return new_session()


def seqs(outbox: Outbox, session: str) -> list[int | None]:
    return [m.seq for m in outbox.batches_from(session, 0, 10_000)]


def test_what_was_appended_is_found_in_order(path: Path, session: str) -> None:
    outbox = Outbox(path, "w1")
    outbox.append([("trunk", batch(session, 0)), ("trunk", batch(session, 1))], NOW_NS)
    first, second = outbox.batches_after(0, 10)
    assert (first.topic, first.kind) == ("trunkline/v1/w1/trunk/imu", Kind.IMU)
    assert decode(first.payload).seq == 0
    assert outbox.batches_after(first.id, 10) == [second]
    assert outbox.batches_after(0, 1) == [first]
    assert outbox.last_id() == second.id
    assert outbox.batch_count() == 2
    outbox.close()


def test_commit_deletes_up_to_and_with_one_sessions_number(path: Path, session: str) -> None:
    outbox, other = Outbox(path, "w1"), new_session()
    outbox.append([("trunk", batch(session, s)) for s in range(5)], NOW_NS)
    outbox.append([("trunk", batch(other, s)) for s in range(5)], NOW_NS)
    assert outbox.commit(session, 2) == (3, 150)
    assert outbox.commit(session, 2) == (0, 0)
    assert seqs(outbox, session) == [3, 4]
    assert seqs(outbox, other) == [0, 1, 2, 3, 4]
    outbox.close()


def test_floor_is_the_lowest_number_held(path: Path, session: str) -> None:
    outbox = Outbox(path, "w1")
    outbox.append([("trunk", batch(session, s)) for s in range(3)], NOW_NS)
    outbox.commit(session, 0)
    outbox.append([("trunk", batch(session, 3))], NOW_NS)
    outbox.commit(session, 3)
    outbox.append([("trunk", batch(session, 4))], NOW_NS)
    (last,) = outbox.batches_after(0, 10)
    assert decode(last.payload).floor_seq == 4
    outbox.append([("trunk", batch(session, 5))], NOW_NS)
    assert decode(outbox.batches_after(last.id, 1)[0].payload).floor_seq == 4
    outbox.close()


def test_small_messages_stay_until_the_store_has_them(path: Path, session: str) -> None:
    outbox = Outbox(path, "w1")
    outbox.append_small(Kind.BIRTH, "trunkline/v1/w1/trunk/birth", b'{"a": 1}')
    outbox.append([("trunk", batch(session, 0))], NOW_NS)
    outbox.append_small(Kind.MARK, "trunkline/v1/w1/mark", b"{}")
    birth, mark = outbox.small(10)
    assert (birth.kind, mark.kind) == (Kind.BIRTH, Kind.MARK)
    assert outbox.small(10, birth.id) == [mark]
    outbox.taken([digest(b'{"a": 1}'), session])
    assert outbox.small(10) == [mark]
    assert outbox.batch_count() == 1
    outbox.close()


def test_full_drops_the_oldest_on_record(path: Path, session: str) -> None:
    outbox = Outbox(path, "w1", max_bytes=64 * 4096)
    gone = []
    for seq in range(1500):
        gone += outbox.append([("trunk", batch(session, seq))], NOW_NS + seq)
    held = seqs(outbox, session)
    first = held[0]
    assert first is not None
    assert first > 0
    assert held == list(range(first, 1500))
    assert outbox.dropped() == gone
    assert sum(d.batches for d in gone) == first
    assert sum(d.samples for d in gone) == first * 50
    assert (gone[0].first_seq, gone[-1].last_seq) == (0, first - 1)
    assert outbox.losses() == {"trunk": [Loss(session, 0, first - 1, 50 * first)]}
    for message in outbox.batches_after(0, 2) + outbox.batches_from(session, 1499, 1):
        assert decode(message.payload).floor_seq == first  # ingest must not wait for the dropped
    outbox.close()
    assert path.stat().st_size < 100 * 4096


def test_losses_of_sensors_sessions_and_ranges_stay_apart(path: Path) -> None:
    outbox, (old, new) = Outbox(path, "w1"), sorted([new_session(), new_session()])
    for sensor, session, first, last in (
        ("trunk", new, 0, 4),
        ("trunk", old, 5, 6),
        ("trunk", old, 7, 9),
        ("trunk", old, 11, 11),
        ("thigh", old, 12, 12),
    ):
        outbox.give_up(Dropped(NOW_NS, sensor, session, first, last, last - first + 1, 50))
    outbox.close()
    assert Outbox(path, "w1").losses() == {
        "trunk": [Loss(old, 5, 9, 100), Loss(old, 11, 11, 50), Loss(new, 0, 4, 50)],
        "thigh": [Loss(old, 12, 12, 50)],
    }


def test_marks_are_never_dropped_for_room(path: Path, session: str) -> None:
    outbox = Outbox(path, "w1", max_bytes=64 * 4096)
    outbox.append_small(Kind.MARK, "trunkline/v1/w1/mark", b"{}")
    outbox.append([("trunk", batch(session, s)) for s in range(1500)], NOW_NS)
    assert len(outbox.small(10)) == 1
    outbox.close()


def test_append_is_all_or_nothing(path: Path, session: str) -> None:
    outbox = Outbox(path, "w1")
    outbox.append([("trunk", batch(session, 1))], NOW_NS)
    with pytest.raises(OutboxError):
        outbox.append([("trunk", batch(session, 2)), ("trunk", batch(session, 1))], NOW_NS)
    assert seqs(outbox, session) == [1]
    outbox.append([("trunk", batch(session, 2))], NOW_NS)
    outbox.close()


def test_another_wearer_is_kept_out_while_data_remains(path: Path, session: str) -> None:
    outbox = Outbox(path, "w1")
    outbox.append([("trunk", batch(session, 0))], NOW_NS)
    outbox.close()
    with pytest.raises(OutboxError, match="wearer 'w1'"):
        Outbox(path, "w2")
    outbox = Outbox(path, "w1")
    outbox.commit(session, 0)
    outbox.close()
    Outbox(path, "w2").close()


def test_a_foreign_schema_is_refused(path: Path) -> None:
    Outbox(path, "w1").close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(OutboxError, match="schema 99"):
        Outbox(path, "w1")


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutboxError, match="check that"):
        Outbox(tmp_path / "file" / "outbox.db", "w1")


def test_a_closed_outbox_says_so(path: Path, session: str) -> None:
    outbox = Outbox(path, "w1")
    outbox.close()
    with pytest.raises(OutboxError):
        outbox.append([("trunk", batch(session, 0))], NOW_NS)
    with pytest.raises(OutboxError):
        outbox.batch_count()


_WRITER = """
import sys
from pathlib import Path
from sensor_agent.outbox import Outbox
from tests.sensor_agent.test_outbox import batch
outbox = Outbox(Path(sys.argv[1]), "w1")
for seq in range(100_000):
    outbox.append([("trunk", batch(sys.argv[2], seq))], 0)
    print(seq, flush=True)
"""


def test_kill_9_loses_nothing_that_was_appended(path: Path, session: str) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", _WRITER, str(path), session], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout
    said = [int(writer.stdout.readline()) for _ in range(50)]
    os.kill(writer.pid, signal.SIGKILL)
    said += [int(line) for line in writer.stdout]
    writer.wait()
    writer.stdout.close()
    outbox = Outbox(path, "w1")
    held = seqs(outbox, session)
    assert held[: len(said)] == said
    assert len(held) <= len(said) + 1
    assert [m.seq for m in outbox.batches_after(0, 10_000)] == held
    outbox.close()
