"""A damaged file is told, not worked with; a full disk costs nothing that was there."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from analytics.store.base import Provenance, Result, StoreError
from analytics.store.embedded import EmbeddedStore
from analytics.store.recovery import recover
from tests.analytics.store.samples import T0_NS, assert_same, batch, stored

ROOT = Path(__file__).parents[3]
EVER = (0, 2**62)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Half of it packed, half loose, with some results."""
    store = EmbeddedStore(tmp_path / "samples.db")
    for first in (0, 100_000):
        store.write_batches(stored("w", *(batch(first + 50 * k, seq=k) for k in range(1000))))
        if first == 0:
            store.compact(2**62)
    results = [Result("sway", T0_NS + k, T0_NS + k + 1, {"k": k}) for k in range(500)]
    store.write_results("w", T0_NS, T0_NS + 500, results, Provenance("1", "p"))
    store.close()
    return tmp_path / "samples.db"


def assert_refused(path: Path) -> None:
    with pytest.raises(StoreError, match="is damaged") as caught:
        EmbeddedStore(path)
    assert "trunkline store recover" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("part", [0.0, 0.2, 0.5, 0.9])
def test_pages_overwritten_with_rubbish(path: Path, part: float) -> None:
    content = bytearray(path.read_bytes())
    at = int(part * len(content)) // 4096 * 4096
    content[at : at + 3 * 4096] = b"rubbish!" * (3 * 512)
    path.write_bytes(content)
    assert_refused(path)


@pytest.mark.parametrize("kept", [0.4, 0.99])
def test_a_file_cut_short(path: Path, kept: float) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) // 4096 * 4096])
    assert_refused(path)


def test_a_bit_turned_inside_a_block(path: Path) -> None:
    """SQLite cannot see it: the block's own checksum does."""
    content = path.read_bytes()
    with sqlite3.connect(path) as connection:
        data = connection.execute("SELECT data FROM block ORDER BY id LIMIT 1").fetchone()[0]
    connection.close()
    middle = data[len(data) // 2 : len(data) // 2 + 64]
    assert middle in content
    path.write_bytes(content.replace(middle, bytes([middle[0] ^ 4]) + middle[1:], 1))
    store = EmbeddedStore(path)
    with pytest.raises(StoreError, match=r"is damaged \(checksum of block"):
        store.read_samples("w", "back", *EVER)
    (problem,) = store.check()
    assert "checksum" in problem
    store.close()


def test_check_finds_what_does_not_fit_together(path: Path) -> None:
    with sqlite3.connect(path, isolation_level=None) as connection:
        connection.execute("UPDATE batch SET n = n + 1 WHERE t0_ns % 3 = 0")
        connection.execute("UPDATE block SET samples = samples - 1")
        connection.execute("UPDATE result SET body = '{' WHERE id = 7")
    connection.close()
    store = EmbeddedStore(path)
    found = "\n".join(store.check())
    assert "do not fit its layout" in found
    assert "is not what its row says" in found
    assert "result 7: its body is not JSON" in found
    store.close()


def test_a_sound_file_and_its_progress(path: Path) -> None:
    store = EmbeddedStore(path)
    steps: list[tuple[int, int]] = []
    assert store.check(lambda done, of: steps.append((done, of))) == []
    assert steps[-1][0] == steps[-1][1]
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    store.close()


def test_a_file_of_the_first_schema_is_brought_up(tmp_path: Path) -> None:
    from analytics.store import embedded_schema

    path = tmp_path / "samples.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(embedded_schema._FIRST)
        connection.execute("PRAGMA user_version = 1")
        connection.execute(
            "INSERT INTO result (wearer, kind, start_ns, end_ns, body, algorithm_version,"
            " params_hash) VALUES ('w', 'sway', 1, 2, '{}', '1', 'p')"
        )
    connection.close()
    store = EmbeddedStore(path)
    store.write_batches(stored("w", batch(0)))
    store.compact(2**62)
    assert store.read_results("w", "sway", *EVER) == [Result("sway", 1, 2, {})]
    assert store.check() == []
    store.close()


def test_a_compacted_file_is_smaller(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path / "samples.db")
    store.write_batches(stored("w", *(batch(50 * k, seq=k) for k in range(3000))))
    store.compact(0)
    before = (tmp_path / "samples.db").stat().st_size
    store.compact(2**62)
    assert (tmp_path / "samples.db").stat().st_size < before / 2
    store.close()


FULL = """
import resource, signal, sys
from pathlib import Path
from analytics.store.base import StoreError
from analytics.store.embedded import EmbeddedStore
from analytics.store.recovery import recover
from tests.analytics.store.samples import batch, stored

store = EmbeddedStore(Path(sys.argv[1]))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
try:
    if sys.argv[2] == "compact":
        store.compact(2**62)
    else:
        for start in range(500_000, 2**30, 5000):
            store.write_batches(stored("w", *(batch(start + 50 * k) for k in range(100))))
except StoreError as error:
    print(error)
"""


@pytest.mark.parametrize("task", ["write", "compact"])
def test_a_disk_without_room(path: Path, task: str) -> None:
    """The system refuses to let any file grow further, in the middle of the work."""
    store = EmbeddedStore(path)
    before = store.read_samples("w", "back", 0, T0_NS + 10**15)
    limit = path.stat().st_size + (64 << 10) if task == "write" else 200 << 10
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(path), task, str(limit)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "disk has room" in done.stdout, done.stderr
    assert_same(store.read_samples("w", "back", 0, T0_NS + 10**13), before)
    assert store.check() == []
    store.write_batches(stored("w", batch(-500)))  # and it goes on once there is room
    store.close()


@pytest.mark.parametrize("part", [0.2, 0.5, 0.9])
def test_what_can_be_read_is_saved(path: Path, part: float) -> None:
    store = EmbeddedStore(path)
    before = store.read_samples("w", "back", *EVER)
    store.close()
    content = bytearray(path.read_bytes())
    at = int(part * len(content)) // 4096 * 4096
    content[at : at + 2 * 4096] = b"rubbish!" * (2 * 512)
    path.write_bytes(content)
    assert_refused(path)
    done = recover(path)
    assert done.gaps > 0
    assert b"rubbish!" * 512 in done.damaged.read_bytes()
    store = EmbeddedStore(path)
    assert store.check() == []
    saved = store.read_samples("w", "back", *EVER)
    assert len(before) / 3 < len(saved) <= len(before)
    at_same = np.searchsorted(before.t_ns, saved.t_ns)
    for name, column in saved.values.items():
        np.testing.assert_array_equal(column, before.values[name][at_same])
    store.close()


def test_nothing_to_save_leaves_everything_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "samples.db"
    with pytest.raises(StoreError, match="there is no"):
        recover(path)
    path.write_bytes(b"rubbish!" * 5000)
    with pytest.raises(StoreError, match="your last backup"):
        recover(path)
    assert [file.name for file in tmp_path.iterdir()] == ["samples.db"]
    assert path.read_bytes() == b"rubbish!" * 5000
