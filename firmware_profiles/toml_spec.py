"""A sensor described in TOML: the text -> a checked description. The schema stands in
docs/add-your-sensor.md; every message names the key that is wrong."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from firmware_profiles.base import STANDARD_GRAVITY_MPS2, Quantity, Via
from firmware_profiles.toml_table import ProfileFileError, Table

SCHEMA_VERSION: Final = 1
_ID: Final = re.compile(r"[a-z][a-z0-9_]{1,31}")
RATE_PLACE: Final = "{rate}"
_UNITS: Final[Mapping[Quantity, Mapping[str, float]]] = {
    Quantity.ACCEL: {
        "m/s2": 1.0,
        "g": STANDARD_GRAVITY_MPS2,
        "mg": STANDARD_GRAVITY_MPS2 / 1000,
    },
    Quantity.GYRO: {"rad/s": 1.0, "deg/s": math.pi / 180, "mdeg/s": math.pi / 180_000},
    Quantity.MAG: {"uT": 1.0, "mT": 1000.0, "G": 100.0, "mG": 0.1},
}
_AXES: Final = ("x", "y", "z")
_HEAD_NAMES: Final = ("stamp", "counter")
_MAX_SAMPLES: Final = 240
"""No notification is longer than 512 bytes."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """The `stamp` field of the head: `tick_ns` per count, of the first or the last sample."""

    tick_ns: float
    of_last: bool


@dataclass(frozen=True, slots=True)
class Packet:
    """A notification: fixed bytes, head fields, then sample records without padding."""

    characteristic: str
    via: Via
    begins_with: bytes
    head: np.dtype[np.void]
    sample: np.dtype[np.void]
    triples: np.dtype[np.void]
    """The sample record with x, y, z of a quantity as one field where they lie together."""
    samples: int | None
    """Records in a packet; None: as many as fit, at least one."""
    si_per_count: Mapping[Quantity, float]
    stamp: Stamp | None
    counts_packets: bool
    """Whether the `counter` field counts packets rather than samples."""

    def has(self, name: str) -> bool:
        """Whether the head has a field of this name."""
        return name in (self.head.names or ())

    @property
    def head_bytes(self) -> int:
        """Bytes before the first sample record."""
        return len(self.begins_with) + self.head.itemsize


@dataclass(frozen=True, slots=True)
class Command:
    """A write of the start or stop sequence, or a pause when `characteristic` is empty."""

    characteristic: str
    hex: str
    """May contain {rate}, which stands for the code of the chosen rate."""
    with_response: bool
    pause_s: float


@dataclass(frozen=True, slots=True)
class VectorSpec:
    """Packets and what must come of them: rows in SI, or a refusal of the last packet."""

    name: str
    packets: tuple[bytes, ...]
    rate_hz: float
    is_error: bool
    rows: Mapping[Quantity, tuple[tuple[float, ...], ...]]
    t0_ns: tuple[int, ...] | None
    lost: tuple[int, ...] | None


@dataclass(frozen=True, slots=True)
class ProfileSpec:
    """One sensor."""

    id: str
    label: str
    vendor: str
    sources: tuple[str, ...]
    placement_advice: str
    axes: str
    quirks: tuple[str, ...]
    requires_mtu: int
    has_battery_service: bool
    accel_range_g: float | None
    gyro_range_dps: float | None
    names: tuple[str, ...]
    exclude_names: tuple[str, ...]
    services: tuple[str, ...]
    rates: Mapping[float, str]
    """Rate in Hz -> code in hex."""
    packet: Packet
    start: tuple[Command, ...]
    stop: tuple[Command, ...]
    vectors: tuple[VectorSpec, ...]


def parse_spec(text: str) -> ProfileSpec:
    """The description in a TOML text; raises ProfileFileError."""
    try:
        top = Table("", tomllib.loads(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ProfileFileError(f"not TOML: {error}") from error
    version = top.take("schema_version", int)
    if version != SCHEMA_VERSION:
        raise ProfileFileError(f"schema_version: is {version}, must be {SCHEMA_VERSION}")
    profile_id = top.take("id", str)
    if not _ID.fullmatch(profile_id):
        raise ProfileFileError("id: 2 to 32 lower-case letters, digits and _, a letter first")
    match = top.table("match")
    rates = _rates(top.tables("rates"))
    packet = _packet(top)
    spec = ProfileSpec(
        id=profile_id,
        label=top.take("label", str),
        vendor=top.take("vendor", str),
        sources=top.strings("sources"),
        placement_advice=top.take("placement_advice", str),
        axes=top.take("axes", str),
        quirks=top.strings("quirks", ()),
        requires_mtu=top.within("requires_mtu", 23, 517, 23),
        has_battery_service=top.choice("battery", {"standard": True, "none": False}, "none"),
        accel_range_g=top.positive_or_none("accel_range_g"),
        gyro_range_dps=top.positive_or_none("gyro_range_dps"),
        names=match.strings("names", ()),
        exclude_names=match.strings("exclude_names", ()),
        services=tuple(match.uuid_of(s) for s in match.strings("services", ())),
        rates=rates,
        packet=packet,
        start=tuple(_command(table) for table in top.tables("start", ())),
        stop=tuple(_command(table) for table in top.tables("stop", ())),
        vectors=tuple(_vector(table, packet, rates) for table in top.tables("vectors", ())),
    )
    match.done()
    top.done()
    _check_whole(spec)
    return spec


def _check_whole(spec: ProfileSpec) -> None:
    if not spec.names and not spec.services:
        raise ProfileFileError("match: needs names or services")
    places = [c for c in spec.start if RATE_PLACE in c.hex]
    if len(spec.rates) > 1 and not (places and all(spec.rates.values())):
        raise ProfileFileError(
            "rates: more than one, so each needs a code and a start step needs {rate} in its hex"
        )
    if places and not all(spec.rates.values()):
        raise ProfileFileError("rates: a start step has {rate}, so each rate needs a code")
    if any(RATE_PLACE in c.hex for c in spec.stop):
        raise ProfileFileError("stop: {rate} is for start steps only")
    told = {q for vector in spec.vectors for q in vector.rows}
    if missing := [q.value for q in spec.packet.si_per_count if q not in told]:
        raise ProfileFileError(
            f"vectors: none says which {missing[0]} comes of a packet; add one (a packet you "
            "captured, and the values it stands for)"
        )


def _rates(tables: tuple[Table, ...]) -> dict[float, str]:
    rates: dict[float, str] = {}
    for table in tables:
        rate_hz = table.positive("rate_hz")
        if rate_hz in rates or rate_hz > 10_000:
            raise ProfileFileError(f"{table.path}.rate_hz: {rate_hz:g} is there twice or too high")
        code = table.take("code", str, "")
        table.hex_of("code", code)
        rates[rate_hz] = code
        table.done()
    return dict(sorted(rates.items()))


def _packet(top: Table) -> Packet:
    table = top.table("packet")
    order = table.choice("byte_order", {"little": "<", "big": ">"}, "little")
    head = table.fields("head", order, (*_HEAD_NAMES, "skip"), ())
    axes = [f"{quantity.value}_{axis}" for quantity in Quantity for axis in _AXES]
    sample = table.fields("sample", order, (*axes, "skip"))
    names = sample.names or ()
    quantities = [q for q in Quantity if f"{q.value}_x" in names]
    for name in names:
        quantity = name.rpartition("_")[0]
        if quantity in tuple(Quantity) and not {f"{quantity}_{a}" for a in _AXES} <= set(names):
            raise ProfileFileError(f"packet.sample: {quantity} needs x, y and z")
    if Quantity.ACCEL not in quantities:
        raise ProfileFileError("packet.sample: needs accel_x, accel_y and accel_z")
    for name in head.names or ():
        if name in _HEAD_NAMES and head[name].kind != "u":
            raise ProfileFileError(f"packet.head: {name} must be of an unsigned type")
    scale = top.table("scale")
    si = {quantity: _scale(scale.table(quantity.value), quantity) for quantity in quantities}
    scale.done()
    samples: int | None
    if table.data.get("samples") == "rest":
        samples = None
        table.take("samples", str)
    else:
        samples = table.within("samples", 1, _MAX_SAMPLES, 1)
    packet = Packet(
        characteristic=table.uuid_of(table.take("characteristic", str)),
        via=table.choice("via", {v.value: v for v in Via}, "notify"),
        begins_with=table.hex_of("begins_with", table.take("begins_with", str, "")),
        head=head,
        sample=sample,
        triples=_triples(sample, quantities),
        samples=samples,
        si_per_count=si,
        stamp=_stamp(top, "stamp" in (head.names or ())),
        counts_packets=_counts_packets(top, "counter" in (head.names or ())),
    )
    table.done()
    return packet


def _triples(sample: np.dtype[np.void], quantities: list[Quantity]) -> np.dtype[np.void]:
    fields = dict(sample.fields or {})
    merged: dict[str, tuple[object, int]] = {}
    for quantity in quantities:
        names = [f"{quantity.value}_{axis}" for axis in _AXES]
        kinds = {fields[name][0] for name in names}
        (kind, first), size = fields[names[0]][:2], fields[names[0]][0].itemsize
        if len(kinds) == 1 and [fields[name][1] - first for name in names] == [0, size, 2 * size]:
            merged[quantity.value] = ((kind, (3,)), first)
        else:
            merged |= {name: fields[name][:2] for name in names}
    return np.dtype(
        {
            "names": list(merged),
            "formats": [kind for kind, _ in merged.values()],
            "offsets": [offset for _, offset in merged.values()],
            "itemsize": sample.itemsize,
        }
    )


def _scale(table: Table, quantity: Quantity) -> float:
    si_per_unit = table.choice("unit", _UNITS[quantity])
    counts_per_unit = table.positive("per_unit", 1.0)
    table.done()
    return si_per_unit / counts_per_unit


def _stamp(top: Table, is_in_head: bool) -> Stamp | None:
    if is_in_head != ("stamp" in top.data):
        raise ProfileFileError("stamp: a stamp in packet.head and a table [stamp] go together")
    if not is_in_head:
        return None
    table = top.table("stamp")
    stamp = Stamp(
        table.positive("tick_ns"), table.choice("of", {"first": False, "last": True}, "first")
    )
    table.done()
    return stamp


def _counts_packets(top: Table, is_in_head: bool) -> bool:
    if is_in_head != ("counter" in top.data):
        raise ProfileFileError(
            "counter: a counter in packet.head and a table [counter] go together"
        )
    if not is_in_head:
        return False
    table = top.table("counter")
    counts: bool = table.choice("counts", {"packets": True, "samples": False})
    table.done()
    return counts


def _command(table: Table) -> Command:
    if "pause_s" in table.data:
        command = Command("", "", False, min(table.positive("pause_s"), 10.0))
    else:
        text = table.take("hex", str)
        table.hex_of("hex", text.replace(RATE_PLACE, ""))
        uuid = table.uuid_of(table.take("write", str))
        command = Command(uuid, text, table.take("response", bool, True), 0.0)
    table.done()
    return command


def _vector(table: Table, packet: Packet, rates: Mapping[float, str]) -> VectorSpec:
    rate_hz = table.positive("rate_hz", next(iter(rates)))
    rows = {q: table.rows(q.value) for q in packet.si_per_count if q.value in table.data}
    is_error = table.take("error", bool, False)
    if is_error is bool(rows):
        raise ProfileFileError(f"{table.path}: give rows such as accel, or error = true")
    vector = VectorSpec(
        name=table.take("name", str),
        packets=tuple(table.hex_of("packets", text) for text in table.strings("packets")),
        rate_hz=rate_hz,
        is_error=is_error,
        rows=rows,
        t0_ns=table.integers("t0_ns"),
        lost=table.integers("lost"),
    )
    table.done()
    return vector
