"""`trunkline backup`, `erase` and `restore` from outside."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from analytics.store.base import Provenance, Result, Samples, Store
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.influx import InfluxStore
from tests.analytics.export.stored import DAY_NS, HOUR, batches
from tests.servers import Influx, influxd
from trunkline.cli import main


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(word) for word in arguments], catch_exceptions=False)
    return result.exit_code, result.output


def test_backup_erase_and_restore(tmp_path: Path) -> None:
    data, kept, new = tmp_path / "data", tmp_path / "backups", tmp_path / "new"
    where = ("--data-dir", data)
    assert run("wearer", "add", "w1", "--time-zone", "UTC", *where)[0] == 0
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


@pytest.mark.influxdb
def test_from_influxdb_into_an_empty_one_and_into_a_file(tmp_path: Path, influxd_bin: Path) -> None:
    data, kept, t0_ns = tmp_path / "data", tmp_path / "kept", DAY_NS + 8 * HOUR
    assert run("wearer", "add", "w1", "--time-zone", "UTC", "--data-dir", data)[0] == 0
    (tmp_path / "secret").write_text("only-for-this-test")

    def on(server: Influx) -> tuple[object, ...]:
        words = ("--store", "influx", "--influx-url", server.url, "--influx-user", server.user)
        return (*words, "--influx-password-file", tmp_path / "secret")

    def held(store: Store) -> tuple[Samples, list[Result]]:
        until_ns = t0_ns + DAY_NS
        found = store.read_samples("w1", "back", t0_ns, until_ns)
        return found, list(store.read_results("w1", "movement", t0_ns, until_ns))

    def opened(server: Influx) -> InfluxStore:
        return InfluxStore(server.url, server.database, user=server.user, password=server.password)

    with (
        influxd(influxd_bin, tmp_path / "one") as one,
        influxd(influxd_bin, tmp_path / "two") as two,
    ):
        with closing(opened(one)) as store:
            store.write_batches(batches("back", t0_ns, 5, ("accel",)))
            squat = Result("movement", t0_ns, t0_ns + HOUR, {"kind": "squat"})
            store.write_results("w1", t0_ns, t0_ns + DAY_NS, [squat], Provenance("6", "abc"))
            samples, results = held(store)
        assert (len(samples.t_ns) > 100, results) == (True, [squat])
        code, output = run("backup", "--out", kept, "--data-dir", data, *on(one))
        assert code == 0, output
        code, output = run("restore", kept, "--data-dir", tmp_path / "new", *on(one))
        assert (code, "into empty databases" in output) == (1, True), output
        code, output = run("restore", kept, "--data-dir", tmp_path / "new", *on(two))
        assert code == 0, output
        code, output = run("restore", kept, "--data-dir", tmp_path / "files")
        assert code == 0, output
        with (
            closing(opened(two)) as server,
            closing(EmbeddedStore(tmp_path / "files" / "samples.db")) as file,
        ):
            for found, told in (held(server), held(file)):
                np.testing.assert_array_equal(found.t_ns, samples.t_ns)
                np.testing.assert_array_equal(found.values["accel"], samples.values["accel"])
                assert told == [squat]
    assert not (tmp_path / "new" / "samples.db").exists()


def test_what_is_no_backup_or_no_data_is_said(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, output = run("restore", tmp_path / "empty", "--data-dir", tmp_path / "new")
    assert (code, "is no backup of ours" in output) == (1, True)
    code, output = run("backup", "--out", tmp_path / "x", "--data-dir", tmp_path / "nowhere")
    assert (code, "--data-dir" in output) == (1, True)
    assert not (tmp_path / "nowhere").exists()
