"""How the pages say things: words, colours and figures. Missing is a word, never a zero."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from analytics.dashboard.language import gettext, lazy
from analytics.dashboard.language import number as number_text
from analytics.exposure.days import NS_PER_S
from analytics.exposure.slouched import Band
from analytics.exposure.summary import Exposure

POSTURES: Final = {
    "sitting": lazy("Sitting"),
    "standing": lazy("Standing"),
    "walking": lazy("Walking"),
    "lying_supine": lazy("Lying on the back"),
    "lying_prone": lazy("Lying on the front"),
    "lying_left": lazy("Lying on the left side"),
    "lying_right": lazy("Lying on the right side"),
    "unknown": lazy("Posture unknown"),
    "not_worn": lazy("Not worn"),
}
LYING: Final = ("lying_supine", "lying_prone", "lying_left", "lying_right")
BANDS: Final = ("lying", "sitting", "standing", "walking", "unknown")
"""What charts and tables tell apart: the four ways of lying count as one."""
BAND_WORDS: Final = {
    "lying": lazy("Lying"),
    "sitting": lazy("Sitting"),
    "standing": lazy("Standing"),
    "walking": lazy("Walking"),
    "unknown": lazy("Unknown"),
}
MOVEMENTS: Final = {
    "sit_to_stand": lazy("Stood up"),
    "stand_to_sit": lazy("Sat down"),
    "sit_to_lie": lazy("Lay down from sitting"),
    "lie_to_sit": lazy("Sat up from lying"),
    "stand_to_lie": lazy("Lay down from standing"),
    "lie_to_stand": lazy("Stood up from lying"),
    "bed_roll": lazy("Rolled in bed"),
    "squat": lazy("Squatted"),
    "forward_bend": lazy("Bent forward"),
    "lateral_bend": lazy("Bent sideways"),
    "trunk_rotation": lazy("Rotated the trunk"),
}
TRIGGERS: Final = (
    (lazy("Stood up"), ("sit_to_stand", "lie_to_stand")),
    (lazy("Lay down"), ("sit_to_lie", "stand_to_lie")),
    (lazy("Rolled in bed"), ("bed_roll",)),
    (lazy("Squatted"), ("squat",)),
    (lazy("Bent forward"), ("forward_bend",)),
    (lazy("Bent sideways"), ("lateral_bend",)),
    (lazy("Rotated"), ("trunk_rotation",)),
)
"""What the patient page counts: name and kinds of movement."""
SYMPTOMS: Final = {
    "pain": lazy("Pain"),
    "numbness": lazy("Numbness"),
    "paraesthesia": lazy("Tingling"),
}
SITES: Final = {
    "lumbosacral": lazy("Low back"),
    "iliac_crest": lazy("Hip crest"),
    "groin": lazy("Groin"),
}
SIDES: Final = {"left": lazy("Left"), "both": lazy("Both sides"), "right": lazy("Right")}

NO_DATA: Final = lazy("no data")
NOT_WORN: Final = lazy("not worn")
NOT_OBSERVABLE: Final = lazy("not observable")
ABSENT: Final = (NO_DATA, NOT_WORN, NOT_OBSERVABLE)


def minutes(value: float) -> str:
    """ "0 min", "under 1 min", "23 min", "1 h 05 min"."""
    if 0 < value < 0.5:
        return gettext("under 1 min")
    whole = round(value)
    if whole < 60:
        return gettext("%(minutes)d min", minutes=whole)
    return gettext("%(hours)d h %(minutes)02d min", hours=whole // 60, minutes=whole % 60)


def absent(exposure: Exposure) -> str:
    """Why a figure of this interval is None."""
    if exposure.worn_min is None:
        return str(NO_DATA)
    return str(NOT_OBSERVABLE if exposure.worn_min else NOT_WORN)


def minutes_or_why(value: float | None, exposure: Exposure) -> str:
    return absent(exposure) if value is None else minutes(value)


def count_or_why(value: float | None, exposure: Exposure) -> str:
    return absent(exposure) if value is None else number_text(round(value))


def band_range(band: Band) -> str:
    """ "35–51 min": with the threshold 3° higher and lower."""
    if minutes(band.low) == minutes(band.high):
        return minutes(band.high)
    low = str(round(band.low)) if 0.5 <= band.high < 59.5 else minutes(band.low)
    return f"{low}–{minutes(band.high)}"


def band_or_why(band: Band | None, exposure: Exposure) -> str:
    """ "42 min (35–51 min)"; no range for nothing."""
    if band is None:
        return absent(exposure)
    text, range_ = minutes(band.mid), band_range(band)
    return f"{text} ({range_})" if band.high and range_ != text else text


def count_of(exposure: Exposure, kinds: tuple[str, ...]) -> int | None:
    """Movements of several kinds together; None when one of them could not be told."""
    counts = [exposure.movements[kind] for kind in kinds]
    return None if None in counts else sum(count or 0 for count in counts)


def band_minutes(exposure: Exposure) -> dict[str, float | None] | None:
    """Minutes of each of BANDS, None when not worn; one is None where it could not be told."""
    minutes = exposure.posture_min
    if minutes is None:
        return None
    lying = [minutes[word] for word in LYING]
    return {
        "lying": None if None in lying else sum(value or 0.0 for value in lying),
        **{band: minutes[band] for band in BANDS if band != "lying"},
    }


def ago(seconds: float) -> str:
    """ "20 s ago", "5 min ago", "3 h ago", "2 days ago"."""
    if seconds < 60:
        return gettext("%(n)d s ago", n=max(0, int(seconds)))
    if seconds < 3600:
        return gettext("%(n)d min ago", n=int(seconds // 60))
    if seconds < 2 * 86400:
        return gettext("%(n)d h ago", n=int(seconds // 3600))
    return gettext("%(n)d days ago", n=int(seconds // 86400))


def local(t_ns: int, zone: ZoneInfo) -> datetime:
    """A UTC instant as local wall time."""
    return datetime.fromtimestamp(t_ns // NS_PER_S, zone)
