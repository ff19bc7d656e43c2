"""Motion-BIDS (Jeung et al. 2024; BIDS 1.9 and newer): a session for every local day, a recording
for every sensor of it.

A wearer's day has gaps, so every recording carries a LATENCY channel: seconds since its `acq_time`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from numpy.typing import NDArray

from analytics.export.errors import ExportError
from analytics.export.formats import Options
from analytics.export.piece import Piece, Progress, Written
from analytics.export.source import RawPart, Source
from analytics.export.stage import MANIFEST, PROVENANCE, write_json
from analytics.export.subject import Subject
from analytics.export.tables import iso_text
from analytics.store.base import Samples

BIDS_VERSION: Final = "1.10.0"
MISSING: Final = "n/a"
CHANNELS: Final = {"accel": ("ACCEL", "m/s^2"), "gyro": ("GYRO", "rad/s"), "mag": ("MAGN", "uT")}
"""quantity -> channel type and unit"""
README: Final = """# Trunk motion in daily life

Recorded with wearable inertial sensors and Trunkline. A session is a calendar day where the
subject lives; a recording is one sensor. The channel `latency` has the time of every sample in
seconds after the `acq_time` in the scans file; where the sensor sent nothing there are no rows.
Axes are those of the sensor. What was measured where stands beside each recording.
"""


def plan(source: Source, options: Options) -> Sequence[Piece]:
    """A piece for every day of a subject, and one for the files about the data set."""
    labels = [_label(subject.name) for subject in source.subjects]
    if len(set(labels)) < len(labels):
        raise ExportError("BIDS labels are letters and digits: two wearers would share one")
    pieces = []
    for subject in source.subjects:
        for date, parts in source.raw_by_date(subject).items():
            work_ns = sum(part.work_ns for part in parts)
            write = _Session(source, subject, date, parts, options["task"]).write
            pieces.append(Piece(f"{subject.name} {date}", work_ns, write))
    return [*pieces, Piece("dataset", 0, _Dataset(source.subjects).write)]


@dataclass(frozen=True, slots=True)
class _Dataset:
    """The last piece: only who has a recording is a participant."""

    subjects: Sequence[Subject]

    def write(self, folder: Path, _progress: Progress) -> Sequence[Written]:
        write_json(
            folder / "dataset_description.json",
            {
                "Name": "Trunk motion in daily life",
                "BIDSVersion": BIDS_VERSION,
                "DatasetType": "raw",
                "GeneratedBy": [{"Name": "Trunkline"}],
            },
        )
        (folder / "README.md").write_text(README, encoding="utf-8")
        # What every export of ours has beside its data.
        (folder / ".bidsignore").write_text(f"{MANIFEST}\n{PROVENANCE}\ndictionary.json\n")
        labels = [f"sub-{_label(subject.name)}" for subject in self.subjects]
        there = [(label,) for label in labels if any((folder / label).glob("*/*.tsv"))]
        _write_rows(folder / "participants.tsv", [("participant_id",), *there])
        write_json(
            folder / "participants.json",
            {"participant_id": {"Description": "pseudonym of the wearer"}},
        )
        names = ("dataset_description.json", "README.md", ".bidsignore")
        return [Written(name) for name in (*names, "participants.tsv", "participants.json")]


@dataclass(frozen=True, slots=True)
class _Session:
    source: Source
    subject: Subject
    date: str
    parts: Sequence[RawPart]
    task: str

    def write(self, folder: Path, progress: Progress) -> Sequence[Written]:
        sub, ses = f"sub-{_label(self.subject.name)}", f"ses-{_label(self.date)}"
        place = f"{sub}/{ses}"
        (folder / place / "motion").mkdir(parents=True, exist_ok=True)
        written: list[Written] = []
        scans: list[tuple[str, ...]] = [("filename", "acq_time")]
        for part in self.parts:
            tracksys = f"tracksys-{_label(part.sensor)}"
            name = f"motion/{sub}_{ses}_task-{_label(self.task)}_{tracksys}"
            found = _write_recording(
                folder / f"{place}/{name}_motion.tsv", self.source.samples(part, progress)
            )
            if not found.rows:
                continue
            about = _about(part, found, self.task)
            write_json(folder / f"{place}/{name}_motion.json", about)
            _write_rows(folder / f"{place}/{name}_channels.tsv", _channels(part, found))
            scans.append((f"{name}_motion.tsv", found.acq_time))
            written += [
                Written(f"{place}/{name}_motion.tsv", found.rows),
                Written(f"{place}/{name}_motion.json"),
                Written(f"{place}/{name}_channels.tsv"),
            ]
        if not written:
            return []
        file = f"{place}/{sub}_{ses}_scans.tsv"
        _write_rows(folder / file, scans)
        return [*written, Written(file)]


@dataclass(slots=True)
class _Recording:
    """What a written recording is like."""

    quantities: Sequence[str] = ()
    rows: int = 0
    first_ns: int = 0
    last_ns: int = 0
    step_ns: float = 0.0

    @property
    def acq_time(self) -> str:
        """With microseconds, as BIDS asks for, cut, so that no latency is negative."""
        return str(iso_text(pa.array([self.first_ns], pa.timestamp("ns", tz="UTC")))[0])[:26] + "Z"


def _write_recording(path: Path, chunks: Iterable[Samples]) -> _Recording:
    found = _Recording()
    with path.open("wb") as file:
        for samples in chunks:
            if not found.rows:
                found.quantities = [name for name in CHANNELS if name in samples.values]
                found.first_ns = int(samples.t_ns[0])
                found.step_ns = float(np.median(np.diff(samples.t_ns))) if len(samples) > 1 else 0
            elif not samples.values.keys() <= set(found.quantities):
                raise ExportError(
                    f"{path.name} begins without what it has later; export from then on"
                )
            _append(file, samples, found)
            found.rows += len(samples)
            found.last_ns = int(samples.t_ns[-1])
    if not found.rows:
        path.unlink()
    return found


def _append(file: Any, samples: Samples, found: _Recording) -> None:
    latency_us = (samples.t_ns - found.first_ns // 1000 * 1000) // 1000
    columns: list[Any] = [_seconds(latency_us)]
    for name in found.quantities:
        values = samples.values.get(name)
        for axis in range(3):
            if values is None:
                columns.append(pa.array([MISSING] * len(samples)))
                continue
            column = pa.array(values[:, axis], pa.float32(), from_pandas=True)
            if column.null_count:
                column = pc.fill_null(column.cast(pa.string()), MISSING)
            columns.append(column)
    names = [str(number) for number in range(len(columns))]
    options = pa.csv.WriteOptions(include_header=False, delimiter="\t", quoting_style="none")
    pa.csv.write_csv(pa.table(columns, names=names), file, options)


def _seconds(micros: NDArray[np.int64]) -> pa.Array:
    """Seconds with six decimals."""
    whole, rest = np.divmod(micros, 1_000_000)
    fraction = pc.utf8_lpad(pa.array(rest).cast(pa.string()), width=6, padding="0")
    return pc.binary_join_element_wise(pa.array(whole).cast(pa.string()), fraction, ".")


def _about(part: RawPart, found: _Recording, task: str) -> dict[str, Any]:
    about = part.subject.about(part.sensor)
    rate_hz = about.rate_hz or (1e9 / found.step_ns if found.step_ns else None)
    length_s = (found.last_ns - found.first_ns) / 1e9
    told: dict[str, Any] = {
        "TaskName": task,
        "TaskDescription": "unsupervised daily life",
        "SamplingFrequency": round(rate_hz, 3) if rate_hz else 1,
        "SamplingFrequencyEffective": (
            round((found.rows - 1) / length_s, 4) if found.rows > 1 else MISSING
        ),
        "TrackingSystemName": part.sensor,
        "TrackedPointsCount": 1,
        "MotionChannelCount": 3 * len(found.quantities),
        "LATENCYChannelCount": 1,
        "RecordingDuration": round(length_s, 3),
        "MissingValues": MISSING,
        "ManufacturersModelName": about.profile,
        "SoftwareVersions": about.firmware,
    }
    for name in found.quantities:
        told[f"{CHANNELS[name][0]}ChannelCount"] = 3
    return {name: value for name, value in told.items() if value is not None}


def _channels(part: RawPart, found: _Recording) -> list[tuple[str, ...]]:
    place = part.subject.about(part.sensor).placement or MISSING
    columns = ("name", "component", "type", "tracked_point", "units", "placement")
    rows: list[tuple[str, ...]] = [columns, ("latency", MISSING, "LATENCY", MISSING, "s", MISSING)]
    for name in found.quantities:
        kind, unit = CHANNELS[name]
        rows += [(f"{name}_{axis}", axis, kind, place, unit, place) for axis in "xyz"]
    return rows


def _write_rows(path: Path, rows: Iterable[Sequence[str]]) -> None:
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")


def _label(text: str) -> str:
    """A BIDS label: letters and digits."""
    return re.sub("[^0-9a-zA-Z]", "", text)
