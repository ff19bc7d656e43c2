"""`trunkline backup`, `erase` and `restore` from outside."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from analytics.store.clinic import Clinic
from tests.analytics.export.stored import DAY_NS, HOUR, batches
from trunkline.cli import main


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(word) for word in arguments], catch_exceptions=False)
    return result.exit_code, result.output


def test_backup_erase_and_restore(tmp_path: Path) -> None:
    data, kept, new = tmp_path / "data", tmp_path / "backups", tmp_path / "new"
    where = ("--data-dir", data)
    assert run("wearer", "add", "w1", "--time-zone", "UTC", *where)[0] == 0
    from analytics.store.embedded import EmbeddedStore

    store = EmbeddedStore(data / "samples.db")
    store.write_batches(batches("back", DAY_NS + 8 * HOUR, 5, ("accel",)))
    store.close()
    code, output = run("backup", "--out", kept / "one", "--json", *where)
    assert code == 0, output
    assert json.loads(output[output.index("{") :])["files"] == 2
    assert run("backup", "--out", kept / "one", "--check")[0] == 0
    arguments = ("erase", "w1", "--yes", "--without-broker", "--backups-dir", kept, *where)
    assert run(*arguments)[0] == 0
    code, output = run("restore", kept / "one", "--data-dir", new)
    assert (code, "1 wearers erased since" in output) == (0, True), output
    clinic = Clinic(new / "clinic.db")
    assert clinic.wearers() == []
    assert [entry.action for entry in clinic.audit_entries()] == ["restore", "erase"]
    clinic.close()
    code, output = run("restore", kept / "one", "--data-dir", new)
    assert (code, "has data already" in output) == (1, True)


def test_what_is_no_backup_or_no_data_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, output = run("restore", tmp_path / "empty", "--data-dir", tmp_path / "new")
    assert (code, "is no backup of ours" in output) == (1, True)
    code, output = run("backup", "--out", tmp_path / "x", "--data-dir", tmp_path / "nowhere")
    assert (code, "--data-dir" in output) == (1, True)
    assert not (tmp_path / "nowhere").exists()
