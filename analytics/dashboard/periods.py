"""A stretch of days as a few figures with their wear, and two stretches beside each other. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from flask_babel import LazyString

from analytics.dashboard import words
from analytics.dashboard.language import lazy, number, signed
from analytics.exposure.summary import DayExposure, Exposure
from analytics.store.records import DiaryEntry

_Value = Callable[[Sequence[Exposure]], float | None]


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of a stretch, or of two."""

    key: str
    word: str
    unit: str
    digits: int
    first: float | None
    second: float | None

    @property
    def first_text(self) -> str:
        return self._text(self.first)

    @property
    def second_text(self) -> str:
        return self._text(self.second)

    @property
    def change_text(self) -> str:
        """The second less the first; empty where one of them cannot be said."""
        if self.first is None or self.second is None:
            return ""
        return f"{signed(self.second - self.first, self.digits)}{self._space}{self.unit}"

    def _text(self, value: float | None) -> str:
        if value is None:
            return str(words.NO_DATA)
        return f"{number(value, self.digits)}{self._space}{self.unit}"

    @property
    def _space(self) -> str:
        return " " if self.unit else ""


def _per_hour(
    value: Callable[[Exposure], float | None],
) -> Callable[[Sequence[Exposure]], float | None]:
    """A rate over the worn time of the days in which the value could be told."""

    def rate(days: Sequence[Exposure]) -> float | None:
        known = [(v, d.worn_min) for d in days if (v := value(d)) is not None and d.worn_min]
        worn_h = sum(worn for _, worn in known) / 60
        return sum(v for v, _ in known) / worn_h if worn_h else None

    return rate


def _days_worn(days: Sequence[Exposure]) -> float:
    return float(sum(bool(day.worn_min) for day in days))


def _worn_h(days: Sequence[Exposure]) -> float | None:
    worn = [day.worn_min for day in days if day.worn_min]
    return sum(worn) / len(worn) / 60 if worn else None


def _share(days: Sequence[Exposure]) -> float | None:
    known = [
        (day.slouched_min.mid, day.slouch_known_min)
        for day in days
        if day.slouched_min is not None and day.slouch_known_min
    ]
    whole = sum(minutes for _, minutes in known)
    return 100 * sum(minutes for minutes, _ in known) / whole if whole else None


FIGURES: Final[tuple[tuple[str, LazyString, str, int, _Value], ...]] = (
    ("days_worn", lazy("Days worn"), "", 0, _days_worn),
    ("worn", lazy("Worn on a day worn"), "h", 1, _worn_h),
    (
        "slouched",
        lazy("Slouched per worn hour"),
        "min/h",
        1,
        _per_hour(lambda day: None if day.slouched_min is None else day.slouched_min.mid),
    ),
    ("share", lazy("Slouched part of sitting"), "%", 0, _share),
    ("walking", lazy("Walking per worn hour"), "min/h", 1, _per_hour(lambda day: day.walking_min)),
    (
        "long_walks",
        lazy("Long walks per worn hour"),
        "/h",
        2,
        _per_hour(lambda day: day.prolonged_bouts),
    ),
    *(
        (
            f"trigger_{n}",
            word,
            "/h",
            2,  # once a day is .04
            _per_hour(lambda day, kinds=kinds: words.count_of(day, kinds)),  # type: ignore[misc]
        )
        for n, (word, kinds) in enumerate(words.TRIGGERS)
    ),
)


def lines(
    first: tuple[Sequence[DayExposure], Sequence[DiaryEntry]],
    second: tuple[Sequence[DayExposure], Sequence[DiaryEntry]],
) -> list[Line]:
    """Every figure of two stretches, each given as its days and its diary."""
    one, two = ([day.exposure for day in days] for days, _ in (first, second))
    found = [
        Line(key, str(word), unit, digits, value(one), value(two))
        for key, word, unit, digits, value in FIGURES
    ]
    for symptom, word in words.SYMPTOMS.items():
        strengths = [_strength(diary, symptom) for _, diary in (first, second)]
        found.append(Line(symptom, f"{word} (0–10)", "", 1, *strengths))
    return found


def _strength(diary: Sequence[DiaryEntry], symptom: str) -> float | None:
    found = [e.severity for e in diary if e.symptom == symptom and e.severity is not None]
    return sum(found) / len(found) if found else None
