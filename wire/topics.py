"""MQTT topics of wire version 1. The only place where topic text is made or taken apart."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from wire.ids import IdError, check_sensor, check_wearer

ROOT = "trunkline/v1"


class Kind(StrEnum):
    """What a topic carries; the values are the last topic level."""

    BIRTH = "birth"
    IMU = "imu"
    STATUS = "status"
    LOSS = "loss"
    COMMITTED = "committed"
    AGENT_STATE = "agent/state"
    TAKEN = "agent/taken"
    MARK = "mark"
    STATE = "state"
    ALERT = "alert"


_SENSOR_KINDS = frozenset({Kind.BIRTH, Kind.IMU, Kind.STATUS, Kind.LOSS, Kind.COMMITTED})
_WEARER_KINDS = frozenset(Kind) - _SENSOR_KINDS


class TopicError(ValueError):
    """A topic outside the scheme of wire version 1."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One parsed topic; `sensor` is None for topics that belong to the wearer."""

    wearer: str
    kind: Kind
    sensor: str | None = None

    def __str__(self) -> str:
        middle = f"{self.sensor}/" if self.sensor else ""
        return f"{ROOT}/{self.wearer}/{middle}{self.kind}"


def sensor_topic(wearer: str, sensor: str, kind: Kind) -> str:
    """Topic text of a sensor's message; raises IdError on an invalid id."""
    if kind not in _SENSOR_KINDS:
        raise TopicError(f"{kind} is not a sensor topic")
    return str(Topic(check_wearer(wearer), kind, check_sensor(sensor)))


def wearer_topic(wearer: str, kind: Kind) -> str:
    """Topic text of a wearer's message; raises IdError on an invalid id."""
    if kind not in _WEARER_KINDS:
        raise TopicError(f"{kind} is not a wearer topic")
    return str(Topic(check_wearer(wearer), kind))


def filter_all(kind: Kind, group: str | None = None) -> str:
    """Subscription filter for every wearer (and sensor) of one kind. group: of the subscribers with
    the same group each message goes to one (MQTT 5, 4.8.2; mosquitto and EMQX for 3.1.1, too)."""
    middle = "+/" if kind in _SENSOR_KINDS else ""
    shared = "" if group is None else f"$share/{group}/"
    return f"{shared}{ROOT}/+/{middle}{kind}"


def parse(text: str) -> Topic:
    """Take a topic apart; raises TopicError with the reason when it is not ours."""
    if not text.startswith(ROOT + "/"):
        raise TopicError(f"topic {text[:80]!r} is not under {ROOT}/")
    wearer, _, rest = text.removeprefix(ROOT + "/").partition("/")
    try:
        check_wearer(wearer)
        if rest in _WEARER_KINDS:
            return Topic(wearer, Kind(rest))
        sensor, _, last = rest.partition("/")
        if last in _SENSOR_KINDS:
            return Topic(wearer, Kind(last), check_sensor(sensor))
    except IdError as error:
        raise TopicError(str(error)) from error
    raise TopicError(f"topic {text[:80]!r} has no known kind")
