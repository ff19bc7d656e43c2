"""The file of `trunkline agent --sensors`: who wears which sensors, one table each. TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from firmware_profiles.base import StreamRequest
from firmware_profiles.registry import UnknownProfileError
from sensor_agent.session import AUTO, SensorConfig
from wire.ids import IdError, check_wearer
from wire.messages import AXES, AXIS_NAMES, Placement

DEFAULT_SENSOR: Final = "trunk"
_SENSOR_KEYS: Final = {
    "wearer": str,
    "id": str,
    "placement": str,
    "profile": str,
    "device": str,
    "axes": dict,
    "rate_hz": (int, float),
    "backfill": bool,
}
_WEARER_KEYS: Final = dict.fromkeys(("password_file", "tls_cert", "tls_key", "outbox"), str)


class SensorFileError(ValueError):
    """What is wrong with the file, and where."""


@dataclass(frozen=True, slots=True)
class WearerPlan:
    """One wearer's sensors, and the files of the wearer's own broker account."""

    wearer: str
    sensors: tuple[SensorConfig, ...]
    password_file: Path | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    outbox: Path | None = None


def read_sensor_file(path: Path, rate_hz: float, backfill: bool) -> list[WearerPlan]:
    """The wearers in the order of their first sensor; rate_hz and backfill are for sensors that
    say nothing of it. Raises SensorFileError."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SensorFileError(f"{path.name} cannot be read: {error}") from error
    try:
        return _plans(found, path.parent, rate_hz, backfill)
    except SensorFileError as error:
        raise SensorFileError(f"{path.name}: {error}") from error


def check_axes(axes: Mapping[str, object]) -> dict[str, str]:
    """How a sensor lies when worn; raises SensorFileError."""
    if not axes or not all(name in AXIS_NAMES and axis in AXES for name, axis in axes.items()):
        raise SensorFileError(
            "axes are not understood; write for example up = +x and forward = -z, from "
            f"{', '.join(AXIS_NAMES)} and {', '.join(AXES)}"
        )
    return {name: str(axis) for name, axis in axes.items()}


def _plans(found: dict[str, Any], folder: Path, rate_hz: float, backfill: bool) -> list[WearerPlan]:
    tables, accounts = found.pop("sensor", []), found.pop("wearer", {})
    if found:
        raise SensorFileError(f"{min(found)!r} is unknown; there are [[sensor]] and [wearer.NAME]")
    if not isinstance(tables, list) or not tables:
        raise SensorFileError("no sensor; begin each with a line [[sensor]]")
    worn: dict[str, list[SensorConfig]] = {}
    for number, table in enumerate(tables, 1):
        try:
            wearer, sensor = _sensor(table, rate_hz, backfill)
            if any(other.sensor == sensor.sensor for other in worn.get(wearer, [])):
                raise SensorFileError(f"{wearer} has two sensors with the id {sensor.sensor!r}")
        except (SensorFileError, IdError, UnknownProfileError) as error:
            raise SensorFileError(f"sensor {number}: {error}") from error
        worn.setdefault(wearer, []).append(sensor)
    if not isinstance(accounts, dict) or not all(isinstance(a, dict) for a in accounts.values()):
        raise SensorFileError("give the files of a wearer's account in a table [wearer.NAME]")
    if unknown := accounts.keys() - worn.keys():
        raise SensorFileError(f"[wearer.{min(unknown)}] wears no sensor of this file")
    plans = []
    for wearer, sensors in worn.items():
        account = accounts.get(wearer, {})
        _check_keys(account, _WEARER_KEYS, f"[wearer.{wearer}]")
        files = {name: folder / text for name, text in account.items()}
        plans.append(WearerPlan(wearer, tuple(sensors), **files))
    return plans


def _sensor(table: Any, rate_hz: float, backfill: bool) -> tuple[str, SensorConfig]:
    if not isinstance(table, dict):
        raise SensorFileError("not a table; begin it with a line [[sensor]]")
    _check_keys(table, _SENSOR_KEYS, "it")
    if lacking := {"wearer", "placement"} - table.keys():
        raise SensorFileError(f"{min(lacking)} is missing")
    if table["placement"] not in tuple(Placement):
        raise SensorFileError(
            f"placement {table['placement'][:20]!r} is unknown; there are {', '.join(Placement)}"
        )
    wanted_hz = float(table.get("rate_hz", rate_hz))
    if not 1 <= wanted_hz <= 2000:
        raise SensorFileError(f"rate_hz is {wanted_hz:g}, must be 1 to 2000")
    return check_wearer(table["wearer"]), SensorConfig(
        sensor=table.get("id", DEFAULT_SENSOR),
        placement=Placement(table["placement"]),
        profile=table.get("profile", AUTO),
        device=table.get("device"),
        axes=check_axes(table["axes"]) if "axes" in table else None,
        request=StreamRequest(rate_hz=wanted_hz),
        backfill=table.get("backfill", backfill),
    )


def _check_keys(table: Mapping[str, Any], known: Mapping[str, Any], what: str) -> None:
    for name, value in table.items():
        if name not in known:
            raise SensorFileError(f"{what} has {name!r}; known are {', '.join(known)}")
        is_bool = isinstance(value, bool)
        if not isinstance(value, known[name]) or is_bool is not (known[name] is bool):
            raise SensorFileError(f"{what} has a {name} of the wrong type")
