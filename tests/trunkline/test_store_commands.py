"""`trunkline store`: what people see."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from analytics.store.embedded import EmbeddedStore
from tests.analytics.store.samples import assert_same, batch, stored
from trunkline.cli import main
from trunkline.commands import store as command_module

EVER = (0, 2**62)


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["store", *map(str, arguments)])


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Some batches whose day is over."""
    folder = tmp_path / "data"
    store = EmbeddedStore(folder / "samples.db")
    store.write_batches(stored("p-001", *(batch(50 * k, seq=k) for k in range(100))))
    store.close()
    now_ns = int(batch(0).t0_ns) + 5 * 86_400 * 10**9
    monkeypatch.setattr(command_module.time, "time_ns", lambda: now_ns)
    assert time.time_ns() == now_ns
    return folder


def test_compact_archive_check(data: Path) -> None:
    compacted = run("compact", "--data-dir", data)
    assert (compacted.exit_code, "blocks written" in compacted.output) == (0, True)
    archived = run("archive", "--data-dir", data, "--keep-raw-days", 2, "--json")
    assert json.loads(archived.stdout) == {"written": 1, "unchanged": 0}
    store = EmbeddedStore(data / "samples.db")
    assert store.sensors("p-001") == []
    store.close()
    checked = run("check", "--data-dir", data, "--json")
    assert json.loads(checked.stdout) == {"sound": True, "problems": []}
    (file,) = (data / "archive").glob("p-001/*/back.parquet")
    file.write_bytes(b"rubbish")
    broken = run("check", "--data-dir", data)
    assert broken.exit_code == 1
    assert "archive of p-001" in broken.output


def test_copy_takes_archived_days_along(data: Path, tmp_path: Path) -> None:
    run("archive", "--data-dir", data, "--keep-raw-days", 2)
    target = ("--to-store", "embedded", "--to-data-dir", tmp_path / "other")
    copied = run("copy", "--data-dir", data, *target)
    assert copied.exit_code == 0, copied.output
    assert "1 wearers: 1 days written, 0 there already, 0 results" in copied.output
    store = EmbeddedStore(tmp_path / "other" / "samples.db")
    expected = EmbeddedStore(tmp_path / "expected.db")
    expected.write_batches(stored("p-001", *(batch(50 * k, seq=k) for k in range(100))))
    assert_same(
        store.read_samples("p-001", "back", *EVER), expected.read_samples("p-001", "back", *EVER)
    )
    store.close()
    expected.close()
    assert "1 there already" in run("copy", "--data-dir", data, *target).output
    same = run("copy", "--data-dir", data, "--to-store", "embedded")
    assert same.exit_code == 2
    assert "are the same" in same.output


def test_a_damaged_file_is_refused_and_recovered(data: Path) -> None:
    path = data / "samples.db"
    content = bytearray(path.read_bytes())
    content[-8192:] = b"rubbish!" * 1024
    path.write_bytes(content)
    refused = run("check", "--data-dir", data)
    assert refused.exit_code == 1
    assert "trunkline store recover" in refused.output
    saved = run("recover", "--data-dir", data)
    assert saved.exit_code == 0, saved.output
    assert "places could not be read" in saved.output
    assert run("check", "--data-dir", data).exit_code == 0


def test_what_is_not_for_influxdb(tmp_path: Path) -> None:
    wrong = run("recover", "--data-dir", tmp_path, "--store", "influx")
    assert wrong.exit_code == 2
    down = run("compact", "--store", "influx", "--influx-url", "http://127.0.0.1:9")
    assert down.exit_code == 2
    assert "InfluxDB compacts by itself" in down.output
