"""EDF+ (Kemp and Olivan 2003, "European data format 'plus'"): a file for every stretch of samples
without a gap.

EDF knows no time stamps: a file has a start and a rate. So a stretch ends where a sample is missing
or where its samples leave an even grid by more than half a sample; between files there is nothing,
and nothing is made up. The last record of a file is filled up with the lowest digital value, which
no sample has, and an annotation "no data" says from when on. Values are 16 bit: the range in the
header is that of the quantity in the file, so that an error is at most range / 131,070.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyedflib
from numpy.typing import NDArray
from pyedflib._extensions._pyedflib import set_starttime_subsecond

from analytics.export import dictionary
from analytics.export.errors import ExportError
from analytics.export.formats import Options
from analytics.export.piece import Piece, Progress, Written
from analytics.export.source import RawPart, Source
from analytics.store.base import Samples

RECORD_SAMPLES: Final = 100
"""A record is the unit of a file; EDFlib allows records of 1 ms to 60 s."""
DIGITAL_MAX: Final = 32767
NO_DATA_DIGITAL: Final = -32768
NO_DATA: Final = "no data"
GAP: Final = 1.5
"""A step of more than this many sample intervals is a gap."""
LONGEST_NS: Final = 6 * 3600 * 1_000_000_000
"""A stretch is cut here: it bounds the memory, 30 MB at 50 Hz and six axes."""
DURATION_UNIT_NS: Final = 10_000
"""EDFlib keeps the duration of a record in units of 10 microseconds."""
UNITS: Final = {"accel": "m/s2", "gyro": "rad/s", "mag": "uT"}


def plan(source: Source, _options: Options) -> Sequence[Piece]:
    """A piece for every day of a sensor."""
    return [
        Piece(f"{subject.name} {part.sensor} {part.date}", part.work_ns, _Day(source, part).write)
        for subject in source.subjects
        for part in source.raw_parts(subject)
    ]


@dataclass(frozen=True, slots=True)
class _Day:
    source: Source
    part: RawPart

    def write(self, folder: Path, progress: Progress) -> Sequence[Written]:
        written = []
        for stretch in _stretches(self.source.samples(self.part, progress)):
            start = datetime(1970, 1, 1) + timedelta(microseconds=int(stretch.t_ns[0]) // 1000)
            name = f"{start:%Y-%m-%dT%H%M%S.%fZ}.edf"
            file = f"{self.part.subject.name}/{self.part.sensor}/{name}"
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            _write_file(folder / file, stretch, start, self.part)
            table = dictionary.raw_of(stretch.values)
            written.append(Written(file, len(stretch), table))
        return written


def _stretches(chunks: Iterator[Samples]) -> Iterator[Samples]:
    """Samples that lie on an even grid, as long as can be."""
    held: list[Samples] = []
    for chunk in chunks:
        for piece in _without_gaps(chunk):
            if held and not _follows(held, piece):
                yield from _even(_joined(held))
                held = []
            held.append(piece)
    if held:
        yield from _even(_joined(held))


def _follows(held: Sequence[Samples], piece: Samples) -> bool:
    last = held[-1]
    if last.values.keys() != piece.values.keys():
        return False
    if piece.t_ns[-1] - held[0].t_ns[0] > LONGEST_NS:
        return False
    dt_ns = _interval_ns(last) or _interval_ns(piece)
    return bool(dt_ns) and piece.t_ns[0] - last.t_ns[-1] <= GAP * dt_ns


def _interval_ns(samples: Samples) -> float:
    """The usual step of time, 0 for a single sample."""
    return float(np.median(np.diff(samples.t_ns))) if len(samples) > 1 else 0.0


def _without_gaps(samples: Samples) -> Iterator[Samples]:
    """Cut at gaps, and where a quantity begins or ends."""
    present = np.stack([~np.isnan(v).any(axis=1) for v in samples.values.values()], axis=1)
    steps = np.diff(samples.t_ns)
    cut = (present[1:] != present[:-1]).any(axis=1)
    if len(steps):
        cut |= steps > GAP * np.median(steps)
    at = np.concatenate([[0], np.flatnonzero(cut) + 1, [len(samples)]])
    for low, high in pairwise(at):
        here = {
            name: values[low:high]
            for (name, values), there in zip(samples.values.items(), present[low], strict=True)
            if there
        }
        if here:
            yield Samples(samples.t_ns[low:high], here)


def _joined(parts: Sequence[Samples]) -> Samples:
    if len(parts) == 1:
        return parts[0]
    t_ns = np.concatenate([part.t_ns for part in parts])
    names = parts[0].values.keys()
    return Samples(t_ns, {k: np.concatenate([part.values[k] for part in parts]) for k in names})


def _even(samples: Samples) -> Iterator[Samples]:
    """Halve until the samples of a part lie within half an interval of an even grid."""
    if _worst_ns(samples) <= 0.5 * (_interval_ns(samples) or 1.0):
        yield samples
        return
    middle = len(samples) // 2
    for part in (slice(None, middle), slice(middle, None)):
        yield from _even(
            Samples(samples.t_ns[part], {k: v[part] for k, v in samples.values.items()})
        )


def _worst_ns(samples: Samples) -> float:
    """How far a sample is from the grid that the file will have."""
    n = len(samples)
    grid_ns = np.arange(n) * (_record_ns(samples) / RECORD_SAMPLES)
    return float(np.abs(samples.t_ns - samples.t_ns[0] - grid_ns).max())


def _record_ns(samples: Samples) -> int:
    """Duration of a record with which the grid fits best."""
    n = len(samples)
    if n < 2:
        return 1_000_000_000
    step_ns = int(samples.t_ns[-1] - samples.t_ns[0]) / (n - 1)
    return max(1, round(step_ns * RECORD_SAMPLES / DURATION_UNIT_NS)) * DURATION_UNIT_NS


def _write_file(path: Path, samples: Samples, start: datetime, part: RawPart) -> None:
    columns = [
        (name, axis, np.ascontiguousarray(values[:, k], np.float64))
        for name, values in samples.values.items()
        for k, axis in enumerate("xyz")
    ]
    about = part.subject.about(part.sensor)
    record_s = _record_ns(samples) / 1e9
    ranges = {name: _range(values) for name, values in samples.values.items()}
    digital = [_digital(values, ranges[name]) for name, _, values in columns]
    writer = pyedflib.EdfWriter(str(path), len(columns), file_type=pyedflib.FILETYPE_EDFPLUS)
    try:
        writer.setPatientCode(part.subject.name)
        writer.setEquipment((about.profile or "unknown").replace("_", "-"))
        writer.setRecordingAdditional(f"{part.sensor} {about.placement or ''}".strip())
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pyedflib says that the rate is no whole number
            writer.setDatarecordDuration(record_s)
        writer.setSignalHeaders(
            [_header(name, axis, ranges[name], record_s) for name, axis, _ in columns]
        )
        writer.setStartdatetime(start.replace(microsecond=0))
        # pyedflib's own way of telling microseconds is a factor of ten off.
        set_starttime_subsecond(writer.handle, start.microsecond * 10)
        _write_records(writer, digital)
        filled = len(digital[0]) - len(samples)
        if filled:
            sample_s = record_s / RECORD_SAMPLES
            writer.writeAnnotation(len(samples) * sample_s, filled * sample_s, NO_DATA)
    except OSError as error:
        raise ExportError(f"cannot write {path.name} ({error}); check the disk") from error
    finally:
        writer.close()


def _write_records(writer: Any, digital: Sequence[NDArray[np.int32]]) -> None:
    for at in range(0, len(digital[0]), RECORD_SAMPLES):
        for values in digital:
            record = np.ascontiguousarray(values[at : at + RECORD_SAMPLES])
            if writer.writeDigitalSamples(record) < 0:
                raise OSError("EDFlib refused a record")


def _header(name: str, axis: str, limit: float, record_s: float) -> dict[str, Any]:
    return {
        "label": f"{name}_{axis}",
        "dimension": UNITS[name],
        "sample_frequency": RECORD_SAMPLES / record_s,
        "physical_max": limit,
        "physical_min": -limit,
        "digital_max": DIGITAL_MAX,
        "digital_min": NO_DATA_DIGITAL,
        "transducer": "inertial sensor",
        "prefilter": "",
    }


def _range(values: NDArray[np.float32]) -> float:
    """A little more than the largest number of the quantity, with no more digits than a header has
    room for: the lowest digital value stays free."""
    largest = float(np.abs(values).max())
    return float(np.ceil(max(largest * 1.0001, 1e-3) * 1000) / 1000)


def _digital(values: NDArray[np.float64], limit: float) -> NDArray[np.int32]:
    """(n,) counts, filled up to whole records."""
    per_unit = (DIGITAL_MAX - NO_DATA_DIGITAL) / (2 * limit)
    counts = np.round((values + limit) * per_unit).astype(np.int32) + NO_DATA_DIGITAL
    missing = -len(counts) % RECORD_SAMPLES
    return np.concatenate([counts, np.full(missing, NO_DATA_DIGITAL, np.int32)])
