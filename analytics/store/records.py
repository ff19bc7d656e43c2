"""What the clinic database gives out and takes in: plain frozen records. Times are UTC ns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from analytics.exposure.itinerary import zone_of
from wire.messages import Birth, Status


class ClinicError(ValueError):
    """A request that the clinic's records do not allow; one sentence with what to do next."""


@dataclass(frozen=True, slots=True)
class WearerSettings:
    """Personal thresholds, set by a clinician; None means: use the detector's own."""

    slouch_enter_deg: float | None = None
    """Flexion above which sitting counts as slouched, 0..90 degrees from upright."""
    slouch_bout_min_s: float = 600.0
    """A slouch lasting this long is an episode."""
    walking_limit_s: float = 600.0
    """Walking without a rest for this long is prolonged."""
    alerts_on: bool = False
    """Whether the wearer wants alerts."""


@dataclass(frozen=True, slots=True)
class Wearer:
    """A pseudonym and nothing that says who it is."""

    wearer: str
    time_zone: str
    """IANA name of home; days of this wearer are days there, before the first journey."""
    created_ns: int
    settings: WearerSettings
    journeys: tuple[tuple[int, str], ...] = ()
    """(UTC ns, IANA name): where the days are counted from then on, in the order of time."""

    @property
    def zone(self) -> ZoneInfo:
        """Where the wearer is when; every day is counted where it was lived."""
        return zone_of(self.time_zone, self.journeys)


@dataclass(frozen=True, slots=True)
class Sensor:
    """The latest that is known of one sensor; None until the message has come."""

    wearer: str
    sensor: str
    birth: Birth | None
    status: Status | None
    updated_ns: int


class Role(StrEnum):
    """What a user is. A patient sees the own wearer; everybody else sees what is granted."""

    PATIENT = "patient"
    CLINICIAN = "clinician"
    RESEARCHER = "researcher"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class User:
    """A log-in. `wearer` is set for a patient and only for a patient."""

    name: str
    password_hash: str
    role: Role
    wearer: str | None
    created_ns: int


@dataclass(frozen=True, slots=True)
class LoginSession:
    """A browser in which a user is logged in."""

    user: str
    device: str
    """what its browser says of itself, such as "Firefox, Android"; no address, no serial number"""
    created_ns: int
    seen_ns: int
    ends_ns: int


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What a program shows in place of a log-in."""

    user: str
    name: str
    """what it is for, in the user's words"""
    scopes: tuple[str, ...]
    created_ns: int
    ends_ns: int
    used_ns: int | None = None
    id: int | None = None


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """The secret that a user's authenticator app shares with us (RFC 6238)."""

    secret: str
    """base32"""
    confirmed: bool
    """a code was entered once; before that it is not asked for"""
    last_step: int
    """the latest time step that was used: no code is good twice"""
    recovery_codes: int
    """how many are left"""


@dataclass(frozen=True, slots=True)
class Invitation:
    """A link with which somebody sets the own password, once."""

    name: str
    role: Role | None
    """None: a new password for a log-in that is there"""
    wearer: str | None
    made_by: str
    created_ns: int
    ends_ns: int


@dataclass(frozen=True, slots=True)
class ExportJob:
    """An export that a user asked for, made in the background."""

    id: str
    user: str
    asked: Mapping[str, Any]
    """analytics.export_request.ExportRequest as JSON"""
    created_ns: int
    state: str = "waiting"
    """waiting, running, ready, failed"""
    share: float = 0.0
    """how much of it is done, 0..1"""
    size_bytes: int | None = None
    digest: str | None = None
    """SHA-256 of the file, hexadecimal"""
    detail: str = ""
    """why it failed"""
    ends_ns: int | None = None
    """when the file is deleted"""


@dataclass(frozen=True, slots=True)
class EraseRequest:
    """A wearer wants everything erased."""

    wearer: str
    user: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class Cohort:
    """Wearers that a researcher looks at together."""

    id: int
    name: str
    wearers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """A sensor was held upright, quietly, from start to end."""

    wearer: str
    sensor: str
    start_ns: int
    end_ns: int
    posture: str
    """sitting or standing"""
    source: str
    """Who said so: mark (the wearer's side), dashboard, cli, recording"""


@dataclass(frozen=True, slots=True)
class CalibrationStep:
    """The latest attempt at one step of a guided calibration, and how it went."""

    step: str
    """stand, sit_tall, slouch, bend or walk"""
    start_ns: int
    end_ns: int
    distance_m: float | None = None
    """walk: how far"""
    attempt: int = 1
    passed: bool | None = None
    """None: not looked at yet."""
    message: str = ""
    """One sentence for the wearer: what to do differently, or a remark."""
    figures: Mapping[str, float] = field(default_factory=dict)
    """What was measured, by name with its unit."""


@dataclass(frozen=True, slots=True)
class GuidedCalibration:
    """One guided calibration of one sensor."""

    wearer: str
    sensor: str
    session: str
    """ULID: later ones sort behind earlier ones."""
    source: str
    """Who said so: mark (the wearer's side), dashboard, cli"""
    quality: str | None
    """good, rough or failed (see detect.guided); None: nothing has been looked at yet."""
    version: int | None
    """Counts a sensor's accepted calibrations from 1 on; None: not accepted, and not used."""
    valid_from_ns: int | None
    accepted_ns: int | None
    steps: tuple[CalibrationStep, ...]
    """In the order of their beginnings."""

    @property
    def usable(self) -> bool:
        """Whether angles may be computed with it."""
        return self.version is not None and self.quality in {"good", "rough"}


@dataclass(frozen=True, slots=True)
class DiaryEntry:
    """One symptom as the wearer felt it; None where the wearer did not say."""

    wearer: str
    at_ns: int
    symptom: str
    site: str | None
    side: str | None
    severity: int | None
    """0..10"""
    entered_ns: int
    source: str
    """mark (the wearer's side), dashboard, cli, recording"""
    id: int | None = None
    """Row number once stored, for `change_diary` and `delete_diary`."""
    note: str | None = None
    """up to 500 characters of the wearer's own words"""


@dataclass(frozen=True, slots=True)
class TimeMark:
    """pause, resume or note at a point in time."""

    wearer: str
    at_ns: int
    kind: str


@dataclass(frozen=True, slots=True)
class GivenAlert:
    """An alert that was given to the wearer."""

    wearer: str
    at_ns: int
    kind: str
    text: str
    id: int | None = None
    vibrate: bool = field(default=False, compare=False)
    """Whether the sensor's motor may say it; of the moment, not kept."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a clinician wrote about a wearer, in one of its wordings."""

    id: int
    wearer: str
    at_ns: int
    user: str
    text: str
    replaces: int | None
    """the earlier wording, None for a new note"""


@dataclass(frozen=True, slots=True)
class LimitChange:
    """A field of WearerSettings got another value; None: the detector's own."""

    wearer: str
    at_ns: int
    user: str
    name: str
    old: float | None
    new: float | None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what, concerning whom."""

    at_ns: int
    user: str
    action: str
    wearer: str | None
    detail: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be used, and why."""

    at_ns: int
    wearer: str | None
    topic: str
    reason: str
    payload: bytes
    """The first 4 kB."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What the audit of one wearer's day found."""

    wearer: str
    day: str
    """ISO date in the wearer's time zone."""
    made_ns: int
    body: Mapping[str, Any]
    """See analytics.audit.account.DayAccount.json."""


@dataclass(frozen=True, slots=True)
class Watermark:
    """What ingest has of one sensor session."""

    committed: int = -1
    """Every batch from the agent's floor up to this number is in the store; -1: none."""
    beyond: tuple[tuple[int, int], ...] = ()
    """Closed ranges of numbers in the store above `committed` + 1, disjoint and ascending."""
