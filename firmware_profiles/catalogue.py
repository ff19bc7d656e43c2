"""What the registry knows, as text for people: docs/sensors.md and `trunkline profiles`."""

from __future__ import annotations

from collections.abc import Iterable

from firmware_profiles.base import ProfileInfo

_HEAD = """\
# Sensors

Made by `trunkline profiles docs` from `firmware_profiles/`; do not edit by hand.

"Verified on a bench" means that a person compared a real unit with a reference on a bench. Where
it says no, the profile was written from the sources named and tested with captured packets and
with a virtual sensor.
"""

_FOOT = """\
## Adding a sensor

A sensor with packets of a fixed layout needs no code: see [add-your-sensor.md](add-your-sensor.md).
Any other:

1. One module in `firmware_profiles/` with a class that has `info`, `matches`, `configure`, `stop`
   and `decoder` (the contract is `firmware_profiles/base.py`), and one line in `registry.py`.
2. Vectors in `tests/firmware_profiles/`: a full frame, a too short one, extreme values, a wrap or
   a gap, a command with its answer, a battery reading. Any bytes must give events or DecodeError.
3. One module in `sensor_agent/virtual/encoders/`, written from the sources and not from the
   decoder, and one line in its `__init__.py`; the round-trip tests then run for it as well.
4. `trunkline profiles docs --out docs/sensors.md`.
"""


def facts(info: ProfileInfo) -> list[tuple[str, str]]:
    """(label, text) of everything about one profile, in reading order."""
    return [
        ("Profile", info.id),
        ("Maker", info.vendor),
        ("Measures", _join(quantity.value for quantity in info.quantities)),
        ("Rates", f"{_join(f'{rate:g}' for rate in info.rates_hz)} Hz"),
        ("Acceleration ranges", _ranges(info.accel_ranges_g, "g")),
        ("Rotation ranges", _rotation(info)),
        ("Wear", info.placement_advice),
        ("Axes", info.axes),
        ("Time stamps", info.timestamp),
        ("Finding losses", info.loss_detection),
        ("Battery", info.battery),
        ("Records by itself", _recording(info)),
        ("Vibrates", "where the unit has a motor" if info.vibrates else "no"),
        ("Refusals", _refusals(info)),
        ("Characteristics", _join(info.characteristics)),
        ("Smallest MTU", f"{info.requires_mtu} bytes"),
        ("Verified on a bench", "yes" if info.bench_verified else "no"),
    ]


def markdown(infos: Iterable[ProfileInfo]) -> str:
    """The whole of docs/sensors.md."""
    infos = sorted(infos, key=lambda info: info.label)
    overview = [
        "| Sensor | Profile | Measures | Rates (Hz) | Verified on a bench |",
        "|---|---|---|---|---|",
        *(
            f"| {info.label} | `{info.id}` | {_join(q.value for q in info.quantities)} "
            f"| {_join(f'{rate:g}' for rate in info.rates_hz)} "
            f"| {'yes' if info.bench_verified else 'no'} |"
            for info in infos
        ),
    ]
    return "\n".join([_HEAD, *overview, "", *(_section(info) for info in infos), _FOOT])


def _section(info: ProfileInfo) -> str:
    lines = [f"## {info.label}", "", "| | |", "|---|---|"]
    lines += [f"| {label} | {text} |" for label, text in facts(info)]
    if info.refusals:
        lines += ["", "When it refuses:", "", "| Answer | Meaning | What to do |", "|---|---|---|"]
        lines += [f"| {r.code} | {r.meaning} | {r.advice} |" for r in info.refusals]
    lines += ["", "Good to know:", "", *(f"- {quirk}" for quirk in info.quirks)]
    lines += ["", "Sources:", "", *(f"- {source}" for source in info.sources), ""]
    return "\n".join(lines)


def _join(words: Iterable[str]) -> str:
    return ", ".join(words)


def _ranges(values: Iterable[float], unit: str) -> str:
    text = _join(f"{value:g}" for value in values)
    return f"{text} {unit}" if text else "fixed by the sensor"


def _recording(info: ProfileInfo) -> str:
    if info.backfills:
        return "yes; fills gaps with `trunkline agent --backfill`"
    return "yes (not read by Trunkline)" if info.records_offline else "no"


def _refusals(info: ProfileInfo) -> str:
    if info.refusals:
        return "told by a status, see below"
    return "not told: what was set is read back where it can be"


def _rotation(info: ProfileInfo) -> str:
    if "gyro" not in info.quantities:
        return "no gyroscope"
    return _ranges(info.gyro_ranges_dps, "deg/s")
