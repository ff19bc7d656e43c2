"""Words, ribbon and charts: what is missing is a word or a gap, never a zero."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest

from analytics.dashboard import charts, language, tables, words
from analytics.dashboard.ribbon import Bar, Ribbon, ribbon
from analytics.exposure.observable import MOVEMENTS
from analytics.exposure.slouched import Band
from analytics.exposure.summary import Exposure, day_exposure
from analytics.exposure.timeline import timeline
from analytics.store.base import Result
from analytics.store.records import DiaryEntry
from tests.analytics.dashboard.synthetic import (
    MINUTE_NS,
    TODAY,
    ZONE,
    minute_result,
    runs_result,
)

NOTHING = day_exposure(TODAY, timeline([], TODAY.start_ns, TODAY.end_ns), [])
WORN = Exposure(
    start_ns=TODAY.start_ns,
    end_ns=TODAY.end_ns,
    worn_min=120.0,
    posture_min=dict.fromkeys(words.POSTURES, 15.0),
    slouch_known_min=15.0,
    slouched_min=Band(42.0, 35.0, 51.0),
    slouch_episodes=2,
    walking_bouts=1,
    prolonged_bouts=0,
    movements=dict.fromkeys(MOVEMENTS, 3),
    gap_min=1320.0,
    slouch_dose=6.0,
    longest_slouch_min=22.0,
    longest_walk_min=12.0,
)


def minutes(first: int, count: int, **columns: list[object]) -> list[Result]:
    return [
        runs_result(minute_result(TODAY.start_ns + n * MINUTE_NS, columns))
        for n in range(first, first + count)
    ]


def drawn(results: list[Result], diary: list[DiaryEntry] | None = None) -> Ribbon:
    return ribbon(TODAY, timeline(results, TODAY.start_ns, TODAY.end_ns), diary or [])


def entry(minute: int, **fields: object) -> DiaryEntry:
    at_ns = TODAY.start_ns + minute * MINUTE_NS
    values = {"symptom": "pain", "site": "groin", "side": None, "severity": 4} | fields
    return DiaryEntry("anna", at_ns, entered_ns=at_ns, source="mark", **values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 min"),
        (0.3, "under 1 min"),
        (0.6, "1 min"),
        (59.4, "59 min"),
        (59.6, "1 h 00 min"),
        (187, "3 h 07 min"),
        (1440, "24 h 00 min"),
    ],
)
def test_minutes(value: float, text: str) -> None:
    assert words.minutes(value) == text


def test_figures_and_their_absence() -> None:
    aside = replace(NOTHING.exposure, worn_min=0.0)
    blind = replace(WORN, slouched_min=None)
    assert words.band_or_why(WORN.slouched_min, WORN) == "42 min (35–51 min)"
    assert words.band_or_why(Band(0, 0, 0), WORN) == "0 min"
    assert words.band_or_why(Band(70, 55, 80), WORN) == "1 h 10 min (55 min–1 h 20 min)"
    assert words.band_or_why(None, NOTHING.exposure) == "no data"
    assert words.count_or_why(None, aside) == "not worn"
    assert words.band_or_why(None, blind) == "not observable"


def test_a_posture_that_cannot_be_told() -> None:
    postures = {**(WORN.posture_min or {}), "sitting": None, "lying_left": None}
    partly = replace(WORN, posture_min=postures)
    assert words.band_minutes(partly) == {
        "lying": None,
        "sitting": None,
        "standing": 15.0,
        "walking": 15.0,
        "unknown": 15.0,
    }
    assert words.band_minutes(NOTHING.exposure) is None


def test_a_sum_with_an_unknown_part_is_unknown() -> None:
    partly = replace(WORN, movements={**WORN.movements, "lie_to_stand": None})
    assert words.count_of(WORN, ("sit_to_stand", "lie_to_stand")) == 6
    assert words.count_of(partly, ("sit_to_stand", "lie_to_stand")) is None


@pytest.mark.parametrize(
    ("value", "text"), [(1.24, "+1.2"), (-0.66, "−0.7"), (0.0, "±0.0"), (-0.04, "±0.0")]
)
def test_signed(value: float, text: str) -> None:
    assert language.signed(value) == text


@pytest.mark.parametrize(
    ("age_s", "text"),
    [
        (0.4, "0 s ago"),
        (59, "59 s ago"),
        (60, "1 min ago"),
        (7200, "2 h ago"),
        (200_000, "2 days ago"),
    ],
)
def test_ago(age_s: float, text: str) -> None:
    assert words.ago(age_s) == text


def test_ribbon_shows_majority_height_and_gaps() -> None:
    mixed = {"posture": ["sitting"] * 31 + ["walking"] * 29}
    found = drawn(
        minutes(10, 2, **mixed)
        + minutes(12, 3, posture=["walking"] * 60, slouched=[None] * 60)
        + minutes(20, 5, posture=["lying_left"] * 60, slouched=[None] * 60)
        + minutes(25, 5, posture=["not_worn"] * 60, worn=[False] * 60, slouched=[None] * 60)
        + minutes(40, 1, slouched=[True] * 60)
    )
    assert found.minutes == 1440
    assert found.bars == (
        Bar("sitting", 10, 2, 24, 20, "Sitting 00:10–00:12"),
        Bar("walking", 12, 3, 4, 40, "Walking 00:12–00:15"),
        Bar("lying", 20, 5, 34, 10, "Lying on the left side 00:20–00:25"),
        Bar("not_worn", 25, 5, 42, 2, "Not worn 00:25–00:30"),
        Bar("sitting", 40, 1, 24, 20, "Sitting 00:40–00:41"),
        Bar("slouched", 40, 1, 46, 8, "Slouched 00:40–00:41"),
    )
    assert found.ticks[:2] == ((0, "00"), (180, "03"))


def test_ribbon_of_nothing_is_empty() -> None:
    assert drawn([]).bars == ()


def test_symptoms_on_the_ribbon() -> None:
    (mark,) = drawn([], [entry(90)]).marks
    assert (mark.css, mark.x, mark.text) == ("pain", 90, "4")
    assert mark.title == "01:30 Pain, groin: 4 of 10"


def test_lanes_hold_every_trigger_at_its_minute() -> None:
    found = [
        Result("movement", TODAY.start_ns + 90 * MINUTE_NS, TODAY.start_ns, {"kind": "squat"}),
        Result("movement", TODAY.start_ns + 30 * MINUTE_NS, TODAY.start_ns, {"kind": "squat"}),
        Result("movement", TODAY.start_ns - MINUTE_NS, TODAY.start_ns, {"kind": "bed_roll"}),
        Result("walking_bout", TODAY.start_ns, TODAY.start_ns, {"prolonged": True}),
        Result("walking_bout", TODAY.start_ns, TODAY.start_ns, {"prolonged": False}),
    ]
    line = timeline([], TODAY.start_ns, TODAY.end_ns)
    squats, walks = ribbon(TODAY, line, [], found).lanes
    assert squats.word == "Squatted"
    assert squats.events == ((90.0, "Squatted 01:30"), (30.0, "Squatted 00:30"))
    assert walks.events == ((0.0, "Long walk 00:00"),)


def test_charts_leave_gaps() -> None:
    day = replace(NOTHING, exposure=WORN)
    later = replace(day, date=TODAY.plus(1).date)
    postures, slouch, movements, symptoms = charts.of_days(
        [NOTHING, later], [entry(90), entry(95, severity=None)], ZONE, "week"
    )
    for chart in (postures, slouch, movements):
        assert chart.boxes
        assert all(box.x > 50 for box in chart.boxes)
        assert chart.missing == (25.0,)
    (bar,) = slouch.boxes
    assert bar.title == "Thu 11 Jun: 42 min (35–51 min)"
    assert slouch.y_ticks == ((130.0, "0"), (65.0, "30"), (0.0, "60"))
    assert bar.height == pytest.approx(charts.PLOT_PX * 42 / 60)
    (whisker,) = slouch.whiskers
    assert whisker.y_low == pytest.approx(charts.PLOT_PX * (1 - 35 / 60))
    assert whisker.y_high == pytest.approx(charts.PLOT_PX * (1 - 51 / 60))
    assert [point.title for point in symptoms.points] == [
        "Wed 10 Jun, Pain, Groin: 4",
        "Wed 10 Jun, Pain, Groin",
    ]


def test_what_is_stacked_adds_up() -> None:
    postures, *_ = charts.of_days([replace(NOTHING, exposure=WORN)], [], ZONE, "week")
    hours = sum(box.height for box in postures.boxes) / charts.PLOT_PX * 10
    assert hours == pytest.approx(
        sum(v or 0 for v in (words.band_minutes(WORN) or {}).values()) / 60
    )
    edges = sorted((box.y, box.y + box.height) for box in postures.boxes)
    assert all(a[1] == pytest.approx(b[0]) for a, b in pairwise(edges))


@pytest.mark.parametrize(
    ("highest", "least", "top"),
    [(0, 10, 10), (0, 60, 60), (61, 10, 80), (24, 10, 30), (0.2, 0.1, 0.2)],
)
def test_axes_end_at_round_numbers(highest: float, least: float, top: float) -> None:
    assert charts.axis_top(highest, least) == pytest.approx(top)


def test_charts_of_a_day_put_symptoms_into_their_hour() -> None:
    *_, symptoms = charts.of_hours(NOTHING, [entry(90), entry(600, symptom="numbness")], ZONE)
    assert [(point.css, point.x * 24 / 100) for point in symptoms.points] == [
        ("pain", pytest.approx(1.5)),
        ("numbness", pytest.approx(10.0)),
    ]


def test_tables_leave_out_hours_without_data() -> None:
    line = timeline(minutes(600, 60), TODAY.start_ns, TODAY.end_ns)
    table = tables.exposure_by_hour(day_exposure(TODAY, line, []))
    ((heading, cells),) = table.rows
    assert heading == "10:00"
    assert len(cells) == len(table.columns)
    assert cells[0] == "1 h 00 min"


# Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB
DEFICIENCIES = {
    "none": np.eye(3),
    "protan": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
    "deutan": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    "tritan": [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def seen_as(colour: str, deficiency: str) -> np.ndarray:
    """CIELAB of an sRGB colour as seen with a colour-vision deficiency."""
    srgb = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(DEFICIENCIES[deficiency]) @ linear, 0, 1)
    white = TO_XYZ @ seen / (TO_XYZ @ np.ones(3))
    f = np.where(white > 0.008856, np.cbrt(white), 7.787 * white + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


STYLE = (Path(charts.__file__).parent / "static" / "style.css").read_text()
LIGHT, DARK = (
    dict(re.findall(r"--([\w-]+): (#[0-9a-f]{3,6});", part))
    for part in (STYLE[: STYLE.index("@media")], STYLE[STYLE.index("@media") :])
)
PALETTES = {
    "postures": (*words.BANDS[:-1], "not_worn", "slouched"),
    "symptoms": tuple(words.SYMPTOMS),
    "movements": tuple(f"move-{n}" for n in range(len(words.TRIGGERS))),
}


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize("names", PALETTES.values(), ids=PALETTES)
@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
def test_colours_can_be_told_apart(
    scheme: dict[str, str], names: tuple[str, ...], deficiency: str
) -> None:
    """A distance of 10 in CIELAB is seen at a glance."""
    seen = [seen_as(scheme[name], deficiency) for name in names]
    assert min(np.linalg.norm(a - b) for a, b in combinations(seen, 2)) > 15


def luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour (WCAG 2.2)."""
    short = len(colour) == 4
    parts = [colour[n] * 2 for n in (1, 2, 3)] if short else [colour[n : n + 2] for n in (1, 3, 5)]
    srgb = np.array([int(part, 16) / 255 for part in parts])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize("scheme", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize(
    ("ink", "ground", "least"),
    [
        ("ink", "card", 7),
        ("soft", "card", 4.5),
        ("soft", "paper", 4.5),
        ("accent", "card", 4.5),
        ("on-accent", "accent", 4.5),
        ("alert", "alert-soft", 4.5),
        ("ink", "alert-soft", 4.5),
        ("edge", "card", 3),
        *((name, "card", 4.5) for name in words.SYMPTOMS),
    ],
)
def test_contrast(scheme: dict[str, str], ink: str, ground: str, least: float) -> None:
    """WCAG 2.2, 1.4.3 for text and 1.4.11 for what is needed to see a control."""
    light, dark = sorted((luminance(scheme[ink]), luminance(scheme[ground])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= least
