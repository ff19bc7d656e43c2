"""Recordings on disk: Parquet or CSV <-> one frozen `Recording` in SI units."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

log = logging.getLogger(__name__)

METADATA_KEY: Final = b"trunkline"
SUFFIXES: Final = (".parquet", ".csv")
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


def read_recording(path: str | Path) -> Recording:
    """Read `<name>.parquet` or `<name>.csv`; raises RecordingError."""
    path = Path(path)
    table, meta = _read_table(path)
    columns = set(table.column_names)
    wanted = ["time_s", *_names("accel")]
    absent = [name for name in wanted if name not in columns]
    if absent:
        raise RecordingError(
            f"{path.name} has no column {', '.join(absent)}; a recording needs time_s [s] and "
            "accel_x/y/z [m/s2]"
        )
    if table.num_rows < 2:
        raise RecordingError(f"{path.name} holds {table.num_rows} samples; nothing to analyse")
    t_s = _numbers(table, ["time_s"], path)[:, 0]
    _check_time(t_s, path)
    accel = _numbers(table, _names("accel"), path)
    gyro = _numbers(table, _names("gyro"), path) if set(_names("gyro")) <= columns else None
    _check_units(accel, gyro, path)
    return Recording(
        recording_id=str(meta.get("recording_id") or path.stem),
        t_s=t_s,
        accel=accel,
        gyro=gyro,
        extras=_extras(table, path),
        rate_hz=_rate_hz(meta, t_s, path),
        placement=_text(meta, "placement", path),
        axes=_axes(meta, path),
        upright_reference=_interval(meta, path),
        reference_posture=_text(meta, "reference_posture", path),
        meta=meta,
    )


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


def _read_table(path: Path) -> tuple[pa.Table, dict[str, Any]]:
    if path.suffix not in SUFFIXES:
        raise RecordingError(f"{path.name} is neither .parquet nor .csv; convert it first")
    try:
        if path.suffix == ".csv":
            return pa.csv.read_csv(path), {}
        table = pa.parquet.read_table(path)
    except FileNotFoundError as error:
        raise RecordingError(f"{path.name} does not exist; check the path") from error
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0][:120]
        raise RecordingError(f"{path.name} cannot be read ({reason}); is it complete?") from error
    raw = (table.schema.metadata or {}).get(METADATA_KEY)
    if raw is None:
        return table, {}
    try:
        meta = json.loads(raw)
    except ValueError as error:
        raise RecordingError(
            f"{path.name}: the metadata entry is not JSON; write it anew"
        ) from error
    if not isinstance(meta, dict):
        raise RecordingError(f"{path.name}: the metadata entry is no JSON object; write it anew")
    return table, meta


def _numbers(table: pa.Table, names: list[str], path: Path) -> NDArray[np.float64]:
    """(n, len(names)) float64; nulls and infinities become NaN."""
    out = np.empty((table.num_rows, len(names)))
    for i, name in enumerate(names):
        column = table[name]
        if pa.types.is_null(column.type):
            out[:, i] = np.nan
            continue
        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            raise RecordingError(
                f"{path.name}: column {name} holds {column.type}, not numbers; correct the file"
            )
        out[:, i] = column.cast(pa.float64(), safe=False).to_numpy()
    out[~np.isfinite(out)] = np.nan
    return out


def _extras(table: pa.Table, path: Path) -> dict[str, NDArray[np.float64]]:
    columns = set(table.column_names)
    prefixes = sorted(name[:-2] for name in columns if name.endswith(("_accel_x", "_gyro_x")))
    return {
        prefix: _numbers(table, _names(prefix), path)
        for prefix in prefixes
        if set(_names(prefix)) <= columns
    }


def _check_time(t_s: NDArray[np.float64], path: Path) -> None:
    if np.isnan(t_s).any():
        row = int(np.flatnonzero(np.isnan(t_s))[0])
        raise RecordingError(f"{path.name}: time_s is missing in row {row}; remove such rows")
    steps = np.diff(t_s)
    if (steps <= 0).any():
        row = int(np.flatnonzero(steps <= 0)[0]) + 1
        raise RecordingError(
            f"{path.name}: time_s does not increase at row {row} "
            f"({t_s[row - 1]:.6g} -> {t_s[row]:.6g} s); sort the rows and remove duplicates"
        )


def _check_units(accel: NDArray[np.float64], gyro: NDArray[np.float64] | None, path: Path) -> None:
    norm = np.linalg.norm(accel, axis=1)
    norm = norm[np.isfinite(norm)]
    if not len(norm):
        raise RecordingError(f"{path.name}: accel has no valid sample; nothing to analyse")
    median = float(np.median(norm))
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
