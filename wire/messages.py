"""The small JSON messages around the batches: birth, status, loss, committed, taken, agent state,
mark.

JSON rather than CBOR: they are rare, people read them with `trunkline tap`, and Home Assistant
can use them as they are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache
from typing import Any, Self, cast, get_type_hints

from wire.ids import IdError, check_session

MARK_KINDS = (
    "symptom",
    "pause",
    "resume",
    "note",
    "upright",
    "calibration_step",
    "calibration_accepted",
)
CALIBRATION_STEPS = ("stand", "sit_tall", "slouch", "bend", "walk")
MAX_DISTANCE_M = 1000.0
MAX_HOLD_NS = 3600 * 10**9
"""A step of a calibration takes seconds; what says otherwise is a mistake."""
SYMPTOMS = ("pain", "numbness", "paraesthesia")
SITES = ("lumbosacral", "iliac_crest", "groin", "other")
SIDES = ("left", "right", "both")
MAX_NOTE = 500
MAX_PULSE_MS = 5000
"""A motor that runs for longer is a fault."""
MAX_WORD = 32
"""Characters of a state or quantity, and quantities of a sensor."""


AXIS_NAMES = ("up", "forward", "left")
AXES = ("+x", "-x", "+y", "-y", "+z", "-z")

MAX_LOSSES = 200
"""Ranges of numbers told of one sensor: the outbox drops from one end, so there are few."""

_PLAIN = {
    "list[str]": list,
    "list[dict[str, typing.Any]]": list,
    "dict[str, str] | None": dict | None,
}
"""Annotations that isinstance cannot check as they are; the elements are checked by the class."""


class MessageError(ValueError):
    """A JSON message that breaks the contract; the text names the field."""


class AgentState(StrEnum):
    """Life-cycle state of an agent (retained; LOST is the last will)."""

    INIT = "init"
    READY = "ready"
    SLEEPING = "sleeping"
    LOST = "lost"
    DISCONNECTED = "disconnected"


class Placement(StrEnum):
    """Where a sensor is worn. `not known` is not a placement: the wearer says it once."""

    T12 = "T12"
    T10 = "T10"
    T4 = "T4"
    C7 = "C7"
    L5 = "L5"
    STERNUM = "sternum"
    UPPER_BACK = "upper_back"
    PELVIS = "pelvis"
    WAIST = "waist"
    THIGH_LEFT = "thigh_left"
    THIGH_RIGHT = "thigh_right"
    WRIST_LEFT = "wrist_left"
    WRIST_RIGHT = "wrist_right"


@cache
def _hints(kind: type) -> dict[str, Any]:
    """Types of the fields: they do not change, and finding them takes longer than all the rest."""
    return get_type_hints(kind)


@dataclass(frozen=True, slots=True)
class _Message:
    def dump(self) -> bytes:
        """UTF-8 JSON, keys as the field names."""
        return json.dumps(asdict(self), separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def load(cls, payload: bytes) -> Self:
        """Parse and check; raises MessageError."""
        try:
            fields = json.loads(payload)
            # text that is no UTF-8 (half a surrogate pair), and numbers that are none
            json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()
            message = cls(**fields)
        except (ValueError, TypeError, RecursionError) as error:
            raise MessageError(f"not a {cls.__name__} message: {str(error)[:120]}") from error
        for name, hint in _hints(cast(type, cls)).items():
            value = getattr(message, name)
            kind = _PLAIN.get(str(hint), hint | int if _is_float(hint) else hint)
            _require(
                isinstance(value, kind) and not isinstance(value, bool), f"{name} has a wrong type"
            )
        message.check()
        return message

    def check(self) -> None:
        """Raise MessageError when a field has the wrong type or range."""


def _is_float(hint: Any) -> bool:
    """True for float and float | None: JSON writes 8.0 as 8 as well."""
    return hint is float or hint == float | None


def _require_session(session: str) -> None:
    try:
        check_session(session)
    except IdError as error:
        raise MessageError(str(error)) from error


def _require(condition: bool, text: str) -> None:
    if not condition:
        raise MessageError(text)


@dataclass(frozen=True, slots=True)
class Birth(_Message):
    """What a sensor is, sent when a session begins (retained)."""

    session: str
    profile: str
    placement: str
    rate_hz: float
    quantities: list[str]
    accel_range_g: float | None = None
    gyro_range_dps: float | None = None
    firmware: str | None = None
    axes: dict[str, str] | None = None
    """How the sensor lies when worn: any of up, forward, left -> one of +x -x +y -y +z -z."""

    def check(self) -> None:
        _require_session(self.session)
        _require(len(self.profile) <= 64, "profile is too long")
        _require(
            self.placement in tuple(Placement), f"placement {self.placement[:20]!r} is unknown"
        )
        _require(0 < self.rate_hz <= 10_000, "rate_hz is out of range")
        _require(
            all(isinstance(q, str) and len(q) <= MAX_WORD for q in self.quantities)
            and len(self.quantities) <= MAX_WORD,
            "quantities is no list of names",
        )
        _require(len(self.firmware or "") <= 64, "firmware is too long")
        for name, axis in (self.axes or {}).items():
            _require(name in AXIS_NAMES and axis in AXES, f"axes: {name[:10]!r} is not understood")


@dataclass(frozen=True, slots=True)
class Status(_Message):
    """How a sensor is doing (retained, every few seconds). None means not known."""

    session: str
    at_ns: int
    state: str
    """Connection state: scanning, connecting, configuring, recalling, streaming, waiting or
    stopped."""
    battery_pct: int | None = None
    rssi_dbm: int | None = None
    samples: int = 0
    lost_samples: int = 0
    duplicate_packets: int = 0
    dropped_packets: int = 0
    undecodable_packets: int = 0
    reconnects: int = 0
    clock_drift_ppm: float | None = None
    clock_err_ns: int | None = None
    batches: int = 0
    """Batches of this session that have been on the agent's disk: numbers 0 .. batches - 1."""
    outbox_batches: int = 0
    open_fds: int | None = None

    def check(self) -> None:
        _require_session(self.session)
        _require(len(self.state) <= MAX_WORD, "state is too long")
        _require(self.battery_pct is None or 0 <= self.battery_pct <= 100, "battery_pct is no %")
        _require(self.rssi_dbm is None or abs(self.rssi_dbm) < 1000, "rssi_dbm is out of range")
        drift = self.clock_drift_ppm
        _require(drift is None or abs(drift) < 1e9, "clock_drift_ppm is out of range")
        for name in _COUNTS:
            value = getattr(self, name)
            _require(value is None or 0 <= value < 2**63, f"{name} is out of range")


_COUNTS = (
    "at_ns",
    "samples",
    "lost_samples",
    "duplicate_packets",
    "dropped_packets",
    "undecodable_packets",
    "reconnects",
    "clock_err_ns",
    "batches",
    "outbox_batches",
    "open_fds",
)


@dataclass(frozen=True, slots=True)
class Loss:
    """Batches that the agent had made and gave up."""

    session: str
    first_seq: int
    last_seq: int
    samples: int


@dataclass(frozen=True, slots=True)
class Losses(_Message):
    """Everything of a sensor that its agent gave up: the loss is on record (retained, so that it
    outlives a broker that forgets)."""

    losses: list[dict[str, Any]]
    """The fields of Loss; the newest MAX_LOSSES."""

    @classmethod
    def of(cls, losses: Iterable[Loss]) -> Self:
        return cls([asdict(loss) for loss in losses][-MAX_LOSSES:])

    def each(self) -> list[Loss]:
        return [Loss(**fields) for fields in self.losses]

    def check(self) -> None:
        _require(len(self.losses) <= MAX_LOSSES, "losses are too many")
        for fields in self.losses:
            _require(
                isinstance(fields, dict) and set(fields) == set(_hints(Loss)),
                "losses are not as they should be",
            )
            loss = Loss(**fields)
            numbers = (loss.first_seq, loss.last_seq, loss.samples)
            _require(isinstance(loss.session, str), "session is no text")
            _require_session(loss.session)
            _require(
                all(type(number) is int and 0 <= number < 2**63 for number in numbers)
                and loss.first_seq <= loss.last_seq,
                "losses are out of range",
            )


@dataclass(frozen=True, slots=True)
class Committed(_Message):
    """Ingest's word that the store holds every batch of `session` up to and with `seq`."""

    session: str
    seq: int

    def check(self) -> None:
        _require_session(self.session)
        _require(0 <= self.seq < 2**63, "seq is out of range")


def digest(payload: bytes) -> str:
    """What a birth or mark is called when its receipt is told: 16 hexadecimal digits."""
    return hashlib.blake2b(payload, digest_size=8).hexdigest()


MAX_TAKEN = 500


@dataclass(frozen=True, slots=True)
class Taken(_Message):
    """Ingest's word that births and marks are in the store, or on record as unusable: the agent
    need not keep them."""

    digests: list[str]
    """See `digest`; up to MAX_TAKEN."""

    def check(self) -> None:
        _require(len(self.digests) <= MAX_TAKEN, "digests are too many")
        _require(
            all(isinstance(one, str) and len(one) == 16 for one in self.digests),
            "digests are not as they should be",
        )


@dataclass(frozen=True, slots=True)
class Alert(_Message):
    """An alert when it is given."""

    id: int
    at_ns: int
    kind: str
    text: str
    vibrate_ms: int = 0
    """How long the sensor's motor should run, where there is one; 0: not at all."""

    def check(self) -> None:
        _require(0 <= self.at_ns < 2**63, "at_ns is out of range")
        _require(len(self.kind) <= MAX_WORD and len(self.text) <= MAX_NOTE, "text is too long")
        _require(0 <= self.vibrate_ms <= MAX_PULSE_MS, "vibrate_ms is out of range")


@dataclass(frozen=True, slots=True)
class AgentStatus(_Message):
    """Agent state; a will that carries another run than the latest birth is stale."""

    run: str
    """ULID of the agent's run: birth and will share it."""
    state: str
    at_ns: int

    def check(self) -> None:
        _require_session(self.run)
        _require(self.state in tuple(AgentState), f"state {self.state[:20]!r} is unknown")
        _require(0 <= self.at_ns < 2**63, "at_ns is out of range")


@dataclass(frozen=True, slots=True)
class Mark(_Message):
    """Something the wearer's side wants on record: a diary entry, a pause, a calibration hold."""

    at_ns: int
    kind: str
    """symptom, pause, resume, note, upright (a quiet upright hold of one sensor), calibration_step
    (a step of a guided calibration was done), or calibration_accepted (it counts from at_ns on)"""
    symptom: str | None = None
    """pain, numbness or paraesthesia"""
    site: str | None = None
    """lumbosacral, iliac_crest, groin or other"""
    side: str | None = None
    """left, right or both"""
    severity: int | None = None
    """0..10"""
    sensor: str | None = None
    """upright, calibration: which sensor"""
    end_ns: int | None = None
    """upright, calibration_step: it was done at_ns .. end_ns"""
    posture: str | None = None
    """upright: sitting or standing"""
    note: str | None = None
    """symptom: up to 500 characters of the wearer's own words"""
    session: str | None = None
    """calibration: ULID that its steps share"""
    step: str | None = None
    """calibration_step: stand, sit_tall, slouch, bend or walk; again: done again"""
    distance_m: float | None = None
    """calibration_step walk: how far"""

    def check(self) -> None:
        _require(0 <= self.at_ns < 2**63, "at_ns is out of range")
        _require(self.note is None or len(self.note) <= MAX_NOTE, "note is too long")
        _require(self.kind in MARK_KINDS, "kind is unknown")
        _require(self.severity is None or 0 <= self.severity <= 10, "severity is not 0..10")
        for name, allowed in (("symptom", SYMPTOMS), ("site", SITES), ("side", SIDES)):
            value = getattr(self, name)
            _require(value is None or value in allowed, f"{name} is unknown")
        if self.kind == "symptom":
            _require(self.symptom is not None, "symptom is missing")
        if self.kind == "upright":
            _require(self.posture in {"sitting", "standing"}, "posture is not sitting or standing")
        if self.kind in {"upright", "calibration_step"}:
            _require(
                self.end_ns is not None and self.at_ns < self.end_ns <= self.at_ns + MAX_HOLD_NS,
                "end_ns is not after at_ns, or more than an hour",
            )
            _require((self.end_ns or 0) < 2**63, "end_ns is out of range")
        if self.kind in {"upright", "calibration_step", "calibration_accepted"}:
            _require(self.sensor is not None, "sensor is missing")
        if self.kind in {"calibration_step", "calibration_accepted"}:
            _require_session(self.session or "")
        if self.kind == "calibration_step":
            _require(self.step in CALIBRATION_STEPS, "step is unknown")
            distance_m = self.distance_m
            _require(
                distance_m is None or 1 <= distance_m <= MAX_DISTANCE_M, "distance_m is not 1..1000"
            )


def load_json(payload: bytes) -> Any:
    """Any JSON value for `tap`; raises MessageError."""
    try:
        return json.loads(payload)
    except (ValueError, RecursionError) as error:
        raise MessageError("not JSON") from error
