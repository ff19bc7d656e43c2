"""A Motion-BIDS data set: accepted by the BIDS validator, and its samples are the stored ones."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from analytics.export.bundle import Export, Request
from analytics.export.errors import ExportError
from analytics.export.formats import named
from analytics.export.subject import SensorAbout
from analytics.store.embedded import EmbeddedStore
from tests.analytics.export.stored import DAY, S

WORN = replace(
    DAY,
    name="s-7",
    sensors=(SensorAbout("back", "movesense", "T12", 50.0, "2.1"),),
)


@pytest.fixture
def out(store: EmbeddedStore, tmp_path: Path) -> Path:
    other = replace(DAY, wearer="nobody", name="other")
    request = Request([WORN, other], named("motion-bids"), frozenset({"raw"}))
    Export(store, request, about={}).write(tmp_path / "out")
    return tmp_path / "out"


def test_the_bids_validator_finds_no_error(out: Path) -> None:
    validator = Path(sys.executable).parent / "bids-validator-deno"
    command = [validator, "--format", "json", "--max-rows", "-1", out]
    done = subprocess.run(command, check=False, capture_output=True, timeout=120)
    found = json.loads(done.stdout)["issues"]["issues"]
    errors = [issue for issue in found if issue["severity"] == "error"]
    assert done.returncode == 0
    assert errors == []
    warned = {issue["code"] for issue in found if issue["severity"] == "warning"}
    # Who the authors are the researcher has to say, and daily life has no list of events.
    assert warned <= {
        "EVENTS_TSV_MISSING",
        "JSON_KEY_RECOMMENDED",
        "SIDECAR_KEY_RECOMMENDED",
        "TOO_FEW_AUTHORS",
        "NO_AUTHORS",
    }
    assert (out / "participants.tsv").read_text() == "participant_id\nsub-s7\n"


def test_the_samples_are_the_stored_ones(store: EmbeddedStore, out: Path) -> None:
    folder = out / "sub-s7/ses-20260302"
    scans = (folder / "sub-s7_ses-20260302_scans.tsv").read_text().splitlines()
    rows = [row.split("\t") for row in scans]
    assert rows[0] == ["filename", "acq_time"]
    for name, time in rows[1:]:
        sensor = name.partition("tracksys-")[2].partition("_")[0]
        stored = store.read_samples("w1", sensor, DAY.start_ns, DAY.end_ns)
        table = np.genfromtxt(folder / name, delimiter="\t", missing_values="n/a")
        start_ns = round(datetime.fromisoformat(time).timestamp()) * S
        assert np.array_equal(start_ns + np.round(table[:, 0] * 1e6) * 1000, stored.t_ns)
        channels = (folder / name.replace("_motion.tsv", "_channels.tsv")).read_text().split("\n")
        for at, line in enumerate(channels[2:-1], 1):
            quantity, axis = line.split("\t")[0].split("_")
            wanted = stored.values[quantity][:, "xyz".index(axis)]
            assert np.array_equal(table[:, at].astype(np.float32), wanted, equal_nan=True)
    told = json.loads(next(folder.glob("motion/*tracksys-back*.json")).read_text())
    assert (told["SamplingFrequency"], told["ACCELChannelCount"]) == (50.0, 3)
    assert told["ManufacturersModelName"] == "movesense"


def test_labels_are_not_shared(store: EmbeddedStore) -> None:
    people = [replace(DAY, name="a-1"), replace(DAY, wearer="w2", name="a1")]
    with pytest.raises(ExportError, match="share"):
        Export(store, Request(people, named("motion-bids"), frozenset({"raw"})), about={})
