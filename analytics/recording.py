"""Recordings on disk: Parquet or CSV, read in pieces of SI samples with what is known of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

METADATA_KEY: Final = b"trunkline"
SUFFIXES: Final = (".parquet", ".csv")
CHUNK: Final = 1 << 17
"""Samples read at once: bounds the memory of a long recording."""
_CSV_ROW_BYTES: Final = 60
_AXES: Final = "xyz"
_PLAUSIBLE_MPS2: Final = (5.0, 20.0)
"""Median |accel| of anything that lies, sits or walks on Earth, with a wide margin for uncalibrated
sensors (the worst of the public sets rests at 12.9 m/s2)."""
_MAX_GYRO_P99_RADPS: Final = 25.0
"""99th percentile of a trunk's turning rate: 10.7 rad/s in the fastest of the public sets; 25 deg/s
is passed by anybody who walks."""


class RecordingError(ValueError):
    """A file that cannot be analysed; one sentence of what is wrong and what to do next."""


@dataclass(frozen=True, slots=True)
class Samples:
    """Consecutive samples."""

    t_s: NDArray[np.float64]
    """(n,) seconds since the start of the recording, strictly increasing."""
    accel: NDArray[np.float64]
    """(n, 3) m/s2, sensor axes; NaN where a sample is missing."""
    gyro: NDArray[np.float64] | None
    """(n, 3) rad/s, sensor axes; None when the sensor has no gyroscope."""

    @property
    def t_ns(self) -> NDArray[np.int64]:
        """(n,) nanoseconds since the start."""
        return np.round(self.t_s * 1e9).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Header:
    """What is known of a recording besides its samples."""

    recording_id: str
    rate_hz: float
    """Nominal sampling rate."""
    has_gyro: bool
    placement: str | None = None
    axes: Mapping[str, str | None] = field(default_factory=dict)
    """up, forward, left -> sensor axis with sign ("+x", "-z" ...) or None where unknown."""
    upright_reference: tuple[float, float] | None = None
    """Interval [s] in which the wearer was quiet and upright."""
    reference_posture: str | None = None
    """standing or sitting: the posture during `upright_reference`."""
    known_walk: tuple[float, float, float] | None = None
    """start [s], end [s] and length [m] of a straight walk that was measured."""


@dataclass(frozen=True, slots=True)
class Recording:
    """Samples of one trunk sensor, strictly increasing in time."""

    recording_id: str
    t_s: NDArray[np.float64]
    """(n,) seconds since the start; irregular where the source is."""
    accel: NDArray[np.float64]
    """(n, 3) m/s2, specific force including gravity, sensor axes; NaN where a sample is missing."""
    gyro: NDArray[np.float64] | None
    """(n, 3) rad/s, sensor axes; None when the sensor has no gyroscope."""
    extras: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """Further sensors, `<prefix>_accel` or `<prefix>_gyro` (e.g. thigh_accel) -> (n, 3) SI."""
    rate_hz: float = 50.0
    """Nominal sampling rate."""
    placement: str | None = None
    axes: Mapping[str, str | None] = field(default_factory=dict)
    """up, forward, left -> sensor axis with sign ("+x", "-z" ...) or None where unknown."""
    upright_reference: tuple[float, float] | None = None
    """Interval [s] in which the wearer was quiet and upright."""
    reference_posture: str | None = None
    """standing or sitting: the posture during `upright_reference`."""
    meta: Mapping[str, Any] = field(default_factory=dict)
    """Everything that stood in the file's metadata."""

    @property
    def duration_s(self) -> float:
        """Time from the first to the last sample [s]."""
        return float(self.t_s[-1] - self.t_s[0])

    @property
    def t_ns(self) -> NDArray[np.int64]:
        """(n,) nanoseconds since the start."""
        return np.round(self.t_s * 1e9).astype(np.int64)

    @property
    def header(self) -> Header:
        """Everything but the samples."""
        return Header(
            recording_id=self.recording_id,
            rate_hz=self.rate_hz,
            has_gyro=self.gyro is not None,
            placement=self.placement,
            axes=self.axes,
            upright_reference=self.upright_reference,
            reference_posture=self.reference_posture,
            known_walk=_known_walk(self.meta, Path(self.recording_id)),
        )

    @property
    def length_s(self) -> float:
        """Time from the first to the last sample [s]."""
        return self.duration_s

    @property
    def extra_sensors(self) -> frozenset[str]:
        """Prefixes of further sensors, e.g. thigh_left."""
        return frozenset(name.rpartition("_")[0] for name in self.extras)

    def read(self) -> Recording:
        """Itself."""
        return self

    def chunks(self) -> Iterator[Samples]:
        """The samples in order."""
        yield Samples(self.t_s, self.accel, self.gyro)


class RecordingFile:
    """A recording on disk, opened and checked; raises RecordingError for anything unusable."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._columns, self.meta = _open(self.path)
        absent = [name for name in ("time_s", *_names("accel")) if name not in self._columns]
        if absent:
            raise RecordingError(
                f"{self.path.name} has no column {', '.join(absent)}; a recording needs "
                "time_s [s] and accel_x/y/z [m/s2]"
            )
        has_gyro = set(_names("gyro")) <= set(self._columns)
        self._has_gyro = has_gyro
        first = next((s for s in self._samples() if np.isfinite(s.accel).all(axis=1).any()), None)
        if first is None:
            raise RecordingError(f"{self.path.name}: accel has no valid sample; nothing to analyse")
        if len(first.t_s) < 2:
            raise RecordingError(f"{self.path.name} holds 1 sample; nothing to analyse")
        _check_units(first.accel, first.gyro, self.path)
        meta = self.meta
        self.header = Header(
            recording_id=str(meta.get("recording_id") or self.path.stem),
            rate_hz=_rate_hz(meta, first.t_s, self.path),
            has_gyro=has_gyro,
            placement=_text(meta, "placement", self.path),
            axes=_axes(meta, self.path),
            upright_reference=_interval(meta, self.path),
            reference_posture=_text(meta, "reference_posture", self.path),
            known_walk=_known_walk(meta, self.path),
        )

    @property
    def length_s(self) -> float:
        """About how long it is [s]: by its rows in Parquet, by its bytes in CSV."""
        if self.path.suffix == ".csv":
            return max(1.0, self.path.stat().st_size / _CSV_ROW_BYTES / self.header.rate_hz)
        rows = int(pa.parquet.read_metadata(self.path).num_rows)
        return max(1.0, rows / self.header.rate_hz)

    @property
    def extra_sensors(self) -> frozenset[str]:
        """Prefixes of further sensors, e.g. thigh_left."""
        return frozenset(
            name.removesuffix("_accel_x") for name in self._columns if name.endswith("_accel_x")
        )

    def chunks(self) -> Iterator[Samples]:
        """The samples in order, a bounded number at a time; raises RecordingError."""
        before_s, row = -np.inf, 0
        for samples in self._samples():
            _check_time(samples.t_s, before_s, row, self.path)
            before_s, row = float(samples.t_s[-1]), row + len(samples.t_s)
            yield samples

    def read(self) -> Recording:
        """All of it, further sensors included; raises RecordingError."""
        parts = list(self.chunks())
        gyro = [part.gyro for part in parts if part.gyro is not None]
        header = self.header
        return Recording(
            recording_id=header.recording_id,
            t_s=np.concatenate([part.t_s for part in parts]),
            accel=np.concatenate([part.accel for part in parts]),
            gyro=np.concatenate(gyro) if gyro else None,
            extras=self._extras(),
            rate_hz=header.rate_hz,
            placement=header.placement,
            axes=header.axes,
            upright_reference=header.upright_reference,
            reference_posture=header.reference_posture,
            meta=self.meta,
        )

    def _samples(self) -> Iterator[Samples]:
        wanted = ["time_s", *_names("accel"), *(_names("gyro") if self._has_gyro else [])]
        for values in _batches(self.path, wanted):
            yield Samples(values[:, 0], values[:, 1:4], values[:, 4:] if self._has_gyro else None)

    def _extras(self) -> dict[str, NDArray[np.float64]]:
        prefixes = sorted(
            name[:-2] for name in self._columns if name.endswith(("_accel_x", "_gyro_x"))
        )
        return {
            prefix: np.concatenate(list(_batches(self.path, _names(prefix))))
            for prefix in prefixes
            if set(_names(prefix)) <= set(self._columns)
        }


def read_recording(path: str | Path) -> Recording:
    """Read `<name>.parquet` or `<name>.csv` as a whole; raises RecordingError."""
    return RecordingFile(path).read()


def write_recording(path: str | Path, recording: Recording) -> None:
    """Write as Parquet with the metadata; the file appears whole or not at all."""
    path = Path(path)
    columns: dict[str, NDArray[Any]] = {"time_s": recording.t_s}
    sensors = {"accel": recording.accel, "gyro": recording.gyro, **recording.extras}
    for prefix, values in sensors.items():
        if values is not None:
            for i, name in enumerate(_names(prefix)):
                columns[name] = values[:, i].astype(np.float32)
    reference = recording.upright_reference
    meta = {
        **recording.meta,
        "recording_id": recording.recording_id,
        "rate_hz": recording.rate_hz,
        "placement": recording.placement,
        "axes": {name: recording.axes.get(name) for name in ("up", "forward", "left")},
        "upright_reference": list(reference) if reference else None,
        "reference_posture": recording.reference_posture,
    }
    table = pa.table(columns).replace_schema_metadata(
        {METADATA_KEY: json.dumps(meta, allow_nan=False).encode()}
    )
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        pa.parquet.write_table(table, partial, compression="zstd")
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _names(prefix: str) -> list[str]:
    return [f"{prefix}_{axis}" for axis in _AXES]


def _open(path: Path) -> tuple[list[str], dict[str, Any]]:
    """Column names and metadata."""
    if path.suffix not in SUFFIXES:
        raise RecordingError(f"{path.name} is neither .parquet nor .csv; convert it first")
    try:
        if path.suffix == ".csv":
            with pa.csv.open_csv(path) as reader:
                return reader.schema.names, {}
        schema = pa.parquet.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error
    raw = (schema.metadata or {}).get(METADATA_KEY)
    try:
        meta = {} if raw is None else json.loads(raw)
    except ValueError as error:
        raise RecordingError(
            f"{path.name}: the metadata entry is not JSON; write it anew"
        ) from error
    if not isinstance(meta, dict):
        raise RecordingError(f"{path.name}: the metadata entry is no JSON object; write it anew")
    return schema.names, meta


def _unreadable(path: Path, error: Exception) -> RecordingError:
    if isinstance(error, FileNotFoundError):
        return RecordingError(f"{path.name} does not exist; check the path")
    reason = str(error).splitlines()[0][:120]
    return RecordingError(f"{path.name} cannot be read ({reason}); is it complete?")


def _batches(path: Path, names: list[str]) -> Iterator[NDArray[np.float64]]:
    """(n, len(names)) float64 pieces; nulls and infinities become NaN."""
    try:
        if path.suffix == ".csv":
            options = pa.csv.ConvertOptions(
                include_columns=names, column_types=dict.fromkeys(names, pa.float64())
            )
            with pa.csv.open_csv(path, convert_options=options) as reader:
                yield from (_numbers(batch, names, path) for batch in reader if batch.num_rows)
        else:
            with pa.parquet.ParquetFile(path) as file:
                for batch in file.iter_batches(CHUNK, columns=names):
                    yield _numbers(batch, names, path)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def _numbers(batch: pa.RecordBatch, names: list[str], path: Path) -> NDArray[np.float64]:
    out = np.full((batch.num_rows, len(names)), np.nan)
    for i, name in enumerate(names):
        column = batch.column(name)
        kind = column.type
        if pa.types.is_null(kind):
            continue
        if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
            raise RecordingError(
                f"{path.name}: column {name} holds {kind}, not numbers; correct the file"
            )
        out[:, i] = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    out[~np.isfinite(out)] = np.nan
    return out


def _check_time(t_s: NDArray[np.float64], before_s: float, row: int, path: Path) -> None:
    if np.isnan(t_s).any():
        row += int(np.flatnonzero(np.isnan(t_s))[0])
        raise RecordingError(f"{path.name}: time_s is missing in row {row}; remove such rows")
    steps = np.diff(t_s, prepend=before_s)
    if (steps <= 0).any():
        at = int(np.flatnonzero(steps <= 0)[0])
        raise RecordingError(
            f"{path.name}: time_s does not increase at row {row + at} "
            f"({t_s[at] - steps[at]:.6g} -> {t_s[at]:.6g} s); sort the rows and remove duplicates"
        )


def _check_units(accel: NDArray[np.float64], gyro: NDArray[np.float64] | None, path: Path) -> None:
    norm = np.linalg.norm(accel, axis=1)
    median = float(np.median(norm[np.isfinite(norm)]))
    low, high = _PLAUSIBLE_MPS2
    if not low <= median <= high:
        advice = "expected about 9.81 m/s2 at rest; check the unit and the scale"
        if 0.5 <= median <= 2.0:
            advice = "this looks like g, expected m/s2; multiply accel by 9.80665"
        elif 500 <= median <= 2000:
            advice = "this looks like mg, expected m/s2; multiply accel by 0.00980665"
        raise RecordingError(f"{path.name}: median |accel| is {median:.3g}; {advice}")
    if gyro is None:
        return
    speed = np.linalg.norm(gyro, axis=1)
    speed = speed[np.isfinite(speed)]
    if len(speed) and float(np.percentile(speed, 99)) > _MAX_GYRO_P99_RADPS:
        raise RecordingError(
            f"{path.name}: gyro reaches {np.percentile(speed, 99):.3g}; this looks like deg/s, "
            "expected rad/s; multiply gyro by pi/180"
        )


def _rate_hz(meta: Mapping[str, Any], t_s: NDArray[np.float64], path: Path) -> float:
    rate = meta.get("rate_hz")
    if rate is None:
        _check_time(t_s, -np.inf, 0, path)
        return float(1.0 / np.median(np.diff(t_s)))
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate <= 10_000:
        raise RecordingError(
            f"{path.name}: rate_hz {rate!r} is no rate in Hz; correct the metadata"
        )
    return float(rate)


def _text(meta: Mapping[str, Any], key: str, path: Path) -> str | None:
    value = meta.get(key)
    if value is not None and not isinstance(value, str):
        raise RecordingError(f"{path.name}: {key} {value!r} is no text; correct the metadata")
    return value


def _axes(meta: Mapping[str, Any], path: Path) -> dict[str, str | None]:
    axes = meta.get("axes") or {}
    valid = {sign + axis for sign in "+-" for axis in _AXES} | {None}
    if not isinstance(axes, dict) or any(
        not isinstance(value, (str, type(None))) or value not in valid for value in axes.values()
    ):
        raise RecordingError(
            f'{path.name}: axes must map up, forward, left to "+x" .. "-z" or null; '
            "correct the metadata"
        )
    letters = [value[1] for value in axes.values() if value is not None]
    if len(set(letters)) < len(letters):
        raise RecordingError(
            f"{path.name}: axes names the same sensor axis twice; correct the metadata"
        )
    return {name: axes.get(name) for name in ("up", "forward", "left")}


def _interval(meta: Mapping[str, Any], path: Path) -> tuple[float, float] | None:
    value = meta.get("upright_reference")
    if value is None:
        return None
    if (
        not isinstance(value, (list, tuple))
        or len(value) != 2
        or any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in value)
        or not value[0] < value[1]
    ):
        raise RecordingError(
            f"{path.name}: upright_reference must be [start_s, end_s]; correct the metadata"
        )
    return float(value[0]), float(value[1])


def _known_walk(meta: Mapping[str, Any], path: Path) -> tuple[float, float, float] | None:
    value = meta.get("known_walk")
    if value is None:
        return None
    if (
        not isinstance(value, (list, tuple))
        or len(value) != 3
        or any(isinstance(v, bool) or not isinstance(v, (int, float)) for v in value)
        or not value[0] < value[1]
        or not 1.0 <= value[2] <= 1000.0
    ):
        raise RecordingError(
            f"{path.name}: known_walk must be [start_s, end_s, metres]; correct the metadata"
        )
    return float(value[0]), float(value[1]), float(value[2])
