"""When to say something to the wearer: a state machine of the present, the settings and the clock.

An alert is an offer: it comes after a delay, not at night, not while resting, a few times a day at
most, and never in an observation study. Whatever the sensor says, never more than is allowed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final, Self

SLOUCH, WALKING, TRANSITIONS, SILENT, BATTERY = KINDS = (
    "slouch",
    "walking",
    "transitions",
    "silent",
    "battery",
)
FELT: Final = frozenset({SLOUCH, WALKING, TRANSITIONS})
"""Kinds that are about the wearer and not about the sensor."""
S_PER_MIN = 60
NS_PER_S = 1_000_000_000
MINUTES_OF_DAY = 24 * 60
REARM_PCT: Final = 5
"""A battery must come this far above the limit before it is spoken of again."""


TEXTS: Final = {
    SLOUCH: "You have been sitting slouched for %(n)d minutes. Sit up or stand?",
    WALKING: "You have been walking for %(n)d minutes. Time for a rest?",
    TRANSITIONS: "%(n)d changes of posture in the last hour. Take it easy?",
    SILENT: "Nothing from the sensor for %(n)d minutes. Is it on and near?",
    BATTERY: "The sensor's battery is at %(n)d %%. Charge it soon.",
}
"""What is said, by kind."""


class AlertSettingsError(ValueError):
    """A setting out of range; one sentence."""


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """What a wearer allows. None in a limit: the clinician's own limit of this wearer counts."""

    study: bool = False
    """an observation study is going on: no alert at all"""
    kinds: tuple[str, ...] = KINDS
    slouch_after_min: float | None = None
    walking_after_min: float | None = None
    transitions_in_an_hour: int = 25
    silent_after_min: float = 30.0
    battery_below_pct: int = 15
    delay_s: float = 0.0
    """to wait after a limit is crossed"""
    between_min: float = 20.0
    """between any two alerts"""
    quiet_from_min: int = 22 * 60
    """minute of the local day; equal to quiet_to_min: no quiet hours"""
    quiet_to_min: int = 7 * 60
    daily_most: int = 6
    rest_min: float = 60.0
    """how long "I rest now" holds, unless it is ended before"""
    vibrate: bool = True
    """the sensor itself says it, where it has a motor: kinds in FELT"""

    @classmethod
    def from_dict(cls, said: Mapping[str, Any]) -> Self:
        """Settings as they are stored; raises AlertSettingsError."""
        known = {f.name for f in dataclasses.fields(cls)}
        values = {name: value for name, value in said.items() if name in known}
        if "kinds" in values:
            values["kinds"] = tuple(values["kinds"])
        settings = cls(**values)
        settings.check()
        return settings

    def to_dict(self) -> dict[str, Any]:
        """Strict JSON."""
        return {**dataclasses.asdict(self), "kinds": list(self.kinds)}

    def check(self) -> None:
        """Raise AlertSettingsError when a value is out of range."""
        if not set(self.kinds) <= set(KINDS):
            raise AlertSettingsError(f"kinds of alerts are {', '.join(KINDS)}")
        for name, low, high in (
            ("slouch_after_min", 0.5, 240),
            ("walking_after_min", 0.5, 240),
            ("transitions_in_an_hour", 1, 1000),
            ("silent_after_min", 1, 720),
            ("battery_below_pct", 1, 99),
            ("delay_s", 0, 3600),
            ("between_min", 0, 1440),
            ("quiet_from_min", 0, MINUTES_OF_DAY - 1),
            ("quiet_to_min", 0, MINUTES_OF_DAY - 1),
            ("daily_most", 0, 100),
            ("rest_min", 1, 1440),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise AlertSettingsError(f"{name} is {low} to {high}")

    def quiet(self, local: datetime) -> bool:
        """Whether it is a quiet hour; the hours may go over midnight."""
        minute = local.hour * 60 + local.minute
        if self.quiet_from_min <= self.quiet_to_min:
            return self.quiet_from_min <= minute < self.quiet_to_min
        return minute >= self.quiet_from_min or minute < self.quiet_to_min


@dataclass(frozen=True, slots=True)
class Present:
    """What is so right now; None where that is not known."""

    slouched_s: float | None = None
    """slouched since, corrections shorter than a minute do not end it"""
    walking_s: float | None = None
    """walking since, without a rest of a minute"""
    transitions: int | None = None
    """in the last hour"""
    silent_s: float | None = None
    """since the last sample; None for a sensor that is not in use"""
    battery_pct: int | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """What was said before."""

    day: date | None = None
    given: int = 0
    """alerts on that local day"""
    last_ns: int | None = None
    """latest alert"""
    told: frozenset[str] = frozenset()
    """spells that have been spoken of and still last"""
    since_ns: Mapping[str, int] = field(default_factory=dict)
    """when each limit was crossed"""


def crossed(present: Present, settings: AlertSettings) -> dict[str, bool]:
    """Which limits are crossed; the personal limits must have been filled in."""

    def over(value: float | None, limit_min: float | None) -> bool:
        return value is not None and limit_min is not None and value >= limit_min * S_PER_MIN

    battery = present.battery_pct
    return {
        SLOUCH: over(present.slouched_s, settings.slouch_after_min),
        WALKING: over(present.walking_s, settings.walking_after_min),
        TRANSITIONS: (present.transitions or 0) >= settings.transitions_in_an_hour,
        SILENT: over(present.silent_s, settings.silent_after_min),
        BATTERY: battery is not None and battery < settings.battery_below_pct,
    }


def decide(
    memory: Memory,
    present: Present,
    settings: AlertSettings,
    *,
    on: bool,
    resting: bool,
    now_ns: int,
    local: datetime,
) -> tuple[Memory, str | None]:
    """What to remember, and the kind of alert to give now, if any: one at a time.

    on: the wearer wants alerts. resting: "I rest now" holds. local: the wall clock of the wearer.
    """
    limits = crossed(present, settings)
    battery = present.battery_pct
    if battery is None or battery < settings.battery_below_pct + REARM_PCT:
        lasting = memory.told  # a battery that wavers around the limit is one spell
    else:
        lasting = memory.told - {BATTERY}
    told = frozenset(kind for kind in lasting if limits[kind] or kind == BATTERY)
    since = {kind: memory.since_ns.get(kind, now_ns) for kind in KINDS if limits[kind]}
    day = local.date()
    given = memory.given if memory.day == day else 0
    after = Memory(day, given, memory.last_ns, told, since)
    between_ns = round(settings.between_min * S_PER_MIN * NS_PER_S)
    allowed = (
        on
        and not settings.study
        and not resting
        and not settings.quiet(local)
        and given < settings.daily_most
        and (memory.last_ns is None or now_ns - memory.last_ns >= between_ns)
    )
    if not allowed:
        return after, None
    for kind in KINDS:
        waited_s = (now_ns - since[kind]) / NS_PER_S if kind in since else -1.0
        if kind in settings.kinds and kind not in told and waited_s >= settings.delay_s:
            return dataclasses.replace(
                after, given=given + 1, last_ns=now_ns, told=told | {kind}
            ), kind
    return after, None


def text(kind: str, present: Present) -> str:
    """What the wearer reads; gentle, and without anything that says who it is."""
    return TEXTS[kind] % {"n": _number(kind, present)}


def number_in(kind: str, said: str) -> int | None:
    """The number in a `text` of this kind; None when it was said in other words."""
    before, after = TEXTS[kind].replace("%%", "%").split("%(n)d") if kind in TEXTS else ("", "")
    middle = said[len(before) : len(said) - len(after)]
    is_ours = said == f"{before}{middle}{after}" and middle.isdecimal() and middle.isascii()
    return int(middle) if is_ours else None


def _number(kind: str, present: Present) -> int:
    if kind == TRANSITIONS:
        return present.transitions or 0
    if kind == BATTERY:
        return present.battery_pct or 0
    seconds = {
        SLOUCH: present.slouched_s,
        WALKING: present.walking_s,
        SILENT: present.silent_s,
    }[kind]
    return round((seconds or 0.0) / S_PER_MIN)
