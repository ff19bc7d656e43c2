"""Pulses, dips, excursions and rolls on movements whose size is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from analytics.detect.bends import bends, rhythmic_spans
from analytics.detect.dips import DipParameters, dips, heave_of
from analytics.detect.excursions import Excursion, ExcursionParameters, excursions
from analytics.detect.findings import MovementKind, Posture
from analytics.detect.lying import (
    LyingParameters,
    lying_mask,
    lying_side,
    rolls,
    tilt_deg,
    transitions,
)
from analytics.detect.posture import change_evidence
from analytics.detect.posture_parameters import PostureParameters
from analytics.detect.pulses import Pulse, PulseParameters, pulses
from analytics.detect.site import Site
from analytics.signal.frames import MOTION_HZ
from analytics.signal.motion import Motion, motion_of
from tests.analytics.signals import Wearer, framed

CHEST = Site(low=False, fixed_low=False, gyro=True, slow=False, upright=True, sagittal=True)
WAIST = replace(CHEST, low=True)
L5 = replace(WAIST, fixed_low=True)


def motion(wearer: Wearer) -> Motion:
    return motion_of(framed(wearer.script()))


def found_pulses(m: Motion) -> list[Pulse]:
    return pulses(m, np.zeros(len(m), bool), PulseParameters())


@pytest.mark.parametrize("height", [-0.25, -0.4, -0.5])
def test_sitting_down_and_rising_are_measured(height: float) -> None:
    m = motion(Wearer().hold(5).sit_down(height=height).hold(4).stand_up().hold(5))
    down, up = sorted(found_pulses(m), key=lambda p: -abs(p.height_m))[:2]
    down, up = sorted((down, up), key=lambda p: p.start)
    assert down.height_m == pytest.approx(height, abs=0.05)
    assert up.height_m == pytest.approx(-height, abs=0.05)
    assert 2 <= down.start / MOTION_HZ <= 5.5
    assert 6.5 <= down.stop / MOTION_HZ <= 9.5
    assert down.min_mps < -0.2
    assert abs(down.end_mps) < 0.1
    assert down.excursion_deg > 25
    p = PostureParameters()
    for pulse, right, wrong in ((down, 1, 0), (up, 0, 1)):
        odds = change_evidence(pulse, CHEST, p)
        assert odds[right] > 1
        assert odds[wrong] < 0


def test_a_lift_is_not_rising() -> None:
    m = motion(Wearer().hold(5).go(3, height=1.2).hold(5))
    p = PostureParameters()
    assert all(max(change_evidence(pulse, CHEST, p)) < 0 for pulse in found_pulses(m))


def test_nothing_moves_nothing_is_found() -> None:
    m = motion(Wearer().hold(30))
    assert found_pulses(m) == []
    assert excursions(m, low_site=False, directed=True, parameters=ExcursionParameters()) == []
    heave = heave_of(m, DipParameters())
    assert not heave.dominant.any()
    assert dips(m, heave, np.zeros(len(m), bool), DipParameters()) == []


def test_squats_in_a_row_are_counted() -> None:
    wearer = Wearer().hold(5)
    for _ in range(6):
        wearer.go(1.2, height=-0.45, flexion=15).go(1.2, height=0, flexion=0)
    m = motion(wearer.hold(5))
    heave = heave_of(m, DipParameters())
    found = dips(m, heave, np.zeros(len(m), bool), DipParameters())
    assert len(found) == 6
    assert heave.dominant[7:17].all()
    ticks = np.diff([d.bottom for d in found])
    assert np.abs(ticks - 2.4 * MOTION_HZ).max() <= 0.2 * MOTION_HZ


def test_walking_does_not_heave() -> None:
    m = motion(Wearer().hold(5).walk(20).hold(5))
    heave = heave_of(m, DipParameters())
    assert not heave.dominant.any()
    assert dips(m, heave, np.zeros(len(m), bool), DipParameters()) == []


def test_excursions_have_kind_size_and_side() -> None:
    wearer = Wearer().hold(8)
    wearer.go(1, flexion=50).hold(1).go(1, flexion=0).hold(5)
    wearer.go(1, lateral=25).go(1, lateral=0).hold(5)
    wearer.go(0.9, heading=40).go(0.9, heading=0).hold(5)
    found = excursions(
        motion(wearer), low_site=False, directed=True, parameters=ExcursionParameters()
    )
    strong = [e for e in found if e.strength >= 1]
    assert [e.kind for e in strong] == [
        MovementKind.FORWARD_BEND,
        MovementKind.LATERAL_BEND,
        MovementKind.TRUNK_ROTATION,
    ]
    assert [e.height_deg for e in strong] == pytest.approx([50, 25, 40], abs=3)
    assert all(e.positive for e in strong)
    # a smooth movement is fastest in the middle, at 15/8 of its mean speed
    assert [e.rate_deg_s for e in strong] == pytest.approx([94, 47, 83], rel=0.1)
    assert strong[0].peak / MOTION_HZ == pytest.approx(9.5, abs=0.7)


def turned(wearer: Wearer) -> list[tuple[bool, int]]:
    """(to the left, degrees) of every turn that counts; it must be one series and nothing else."""
    found = excursions(
        motion(wearer), low_site=False, directed=True, parameters=ExcursionParameters()
    )
    assert {e.kind for e in found} <= {MovementKind.TRUNK_ROTATION}
    return [(e.positive, round(e.height_deg)) for e in found if e.strength >= 1.0]


def test_the_first_turn_of_a_series_counts_although_the_middle_has_moved() -> None:
    wearer = Wearer().hold(12).go(1.0, heading=-18)
    for _ in range(3):
        wearer.go(1.4, heading=32).hold(0.4).go(1.4, heading=-18).hold(0.4)
    found = turned(wearer.go(1.4, heading=32).hold(0.4).go(1.2, heading=0).hold(4))
    assert [left for left, _ in found] == [False, True] * 4
    assert found[0][1] == pytest.approx(18, abs=3)


@pytest.mark.parametrize(("back_s", "count"), [(0.04, 1), (1.0, 2)])
def test_an_overshoot_on_the_way_back_is_no_turn(back_s: float, count: int) -> None:
    wearer = Wearer().hold(10).go(1.4, heading=45).hold(0.3).go(0.9, heading=-20)
    found = turned(wearer.hold(back_s).go(0.3 if count == 1 else 1.0, heading=0).hold(10))
    assert len(found) == count


@pytest.mark.parametrize(
    ("aside_deg", "turn_deg", "kind"),
    [(12, 14, MovementKind.TRUNK_ROTATION), (14, 12, MovementKind.LATERAL_BEND)],
)
def test_the_axis_tells_a_turn_from_a_side_bend(
    aside_deg: float, turn_deg: float, kind: MovementKind
) -> None:
    wearer = Wearer().hold(8)
    for side in (1, -1, 1, -1):
        wearer.go(1, lateral=side * aside_deg, heading=side * turn_deg).hold(0.4)
        wearer.go(1, lateral=0, heading=0).hold(3)
    p = ExcursionParameters()
    found = excursions(motion(wearer), low_site=True, directed=True, parameters=p)
    assert [e.kind for e in found if e.strength >= 1] == [kind] * 4


def test_a_turn_within_a_bend_only_explains_it() -> None:
    wearer = Wearer().hold(8).go(1, flexion=8, heading=6).go(1, flexion=0, heading=0).hold(8)
    p = ExcursionParameters()
    assert not excursions(motion(wearer), low_site=True, directed=True, parameters=p)


@pytest.mark.parametrize(("way_s", "count"), [(0.15, 0), (0.6, 1)])
def test_the_sway_of_a_hop_is_no_bend(way_s: float, count: int) -> None:
    wearer = Wearer().hold(8).go(way_s, lateral=25).go(way_s, lateral=0).hold(8)
    p = ExcursionParameters()
    assert len(excursions(motion(wearer), low_site=False, directed=True, parameters=p)) == count


def test_without_a_forward_axis_only_a_deep_bend_is_told() -> None:
    wearer = Wearer().hold(8)
    wearer.go(1, flexion=60).hold(1).go(1, flexion=0).hold(5)
    wearer.go(1, lateral=25).go(1, lateral=0).hold(5)
    p = ExcursionParameters()
    found = excursions(motion(wearer), low_site=False, directed=False, parameters=p)
    (bend,) = (e for e in found if e.strength >= 1)
    assert bend.kind is MovementKind.FORWARD_BEND
    assert bend.height_deg == pytest.approx(60, abs=3)


def excursion(kind: MovementKind, peak_s: float, height_deg: float = 40.0) -> Excursion:
    peak = round(peak_s * MOTION_HZ)
    return Excursion(
        kind, peak - 10, peak, peak + 10, height_deg, 60.0, True, 20.0, 20.0, 0.1, height_deg / 25
    )


def counted(item: Excursion, posture: Posture, site: Site, probability: float = 0.95) -> bool:
    seconds = np.full(60, posture, np.int8)
    lying = np.zeros(60 * MOTION_HZ, bool)
    p = ExcursionParameters()
    found = bends(
        [item],
        first_tick=0,
        posture=seconds,
        probability=np.full(60, probability, np.float32),
        lying=lying,
        taken=[],
        site=site,
        p=p,
    )
    return bool(found)


@pytest.mark.parametrize(
    ("kind", "height_deg", "posture", "site", "expected"),
    [
        (MovementKind.FORWARD_BEND, 40, Posture.STANDING, CHEST, True),
        (MovementKind.FORWARD_BEND, 40, Posture.WALKING, CHEST, False),
        (MovementKind.FORWARD_BEND, 20, Posture.STANDING, CHEST, False),
        (MovementKind.FORWARD_BEND, 40, Posture.STANDING, WAIST, True),
        (MovementKind.LATERAL_BEND, 40, Posture.STANDING, WAIST, False),
        (MovementKind.LATERAL_BEND, 40, Posture.SITTING, WAIST, False),
        (MovementKind.LATERAL_BEND, 40, Posture.SITTING, L5, True),
        (MovementKind.TRUNK_ROTATION, 26, Posture.SITTING, CHEST, True),
        (MovementKind.TRUNK_ROTATION, 60, Posture.STANDING, CHEST, False),
        (MovementKind.TRUNK_ROTATION, 40, Posture.SITTING, replace(CHEST, sagittal=False), True),
        (MovementKind.LATERAL_BEND, 40, Posture.SITTING, replace(CHEST, gyro=False), False),
    ],
)
def test_what_counts_depends_on_the_site(
    kind: MovementKind, height_deg: float, posture: Posture, site: Site, expected: bool
) -> None:
    assert counted(excursion(kind, 10, height_deg), posture, site) is expected


def test_falling_back_onto_a_seat_is_no_bend() -> None:
    bend = excursion(MovementKind.FORWARD_BEND, 10)
    lean = replace(bend, landing_mps3=300.0)
    assert not counted(lean, Posture.STANDING, WAIST)
    assert not counted(lean, Posture.SITTING, L5), "a try at rising"
    assert counted(bend, Posture.SITTING, L5)
    assert counted(lean, Posture.STANDING, CHEST)
    aside = replace(excursion(MovementKind.LATERAL_BEND, 10), landing_mps3=300.0)
    assert counted(aside, Posture.SITTING, L5), "a knock, nobody falls back from a side"


def test_who_may_as_well_stand_does_not_turn_in_the_trunk() -> None:
    turn = excursion(MovementKind.TRUNK_ROTATION, 10)
    assert counted(turn, Posture.SITTING, CHEST, 0.8)
    assert not counted(turn, Posture.SITTING, CHEST, 0.55)


def test_a_bend_while_stepping_on_does_not_count() -> None:
    stepping = replace(excursion(MovementKind.LATERAL_BEND, 10), unrest_radps=0.6)
    assert not counted(stepping, Posture.STANDING, CHEST)
    assert counted(stepping, Posture.SITTING, CHEST)


def test_rowing_is_rhythm_and_three_bends_are_not() -> None:
    p = ExcursionParameters()
    rowing = [excursion(MovementKind.FORWARD_BEND, 5 + 2.5 * i, 30 + i % 3) for i in range(14)]
    ((kind, (start, stop)),) = rhythmic_spans(rowing, p)
    assert kind is MovementKind.FORWARD_BEND
    assert (start, stop) == (rowing[0].start, rowing[-1].stop)
    assert rhythmic_spans(rowing[:3], p) == []
    assert rhythmic_spans([], p) == []


def test_a_slipping_sensor_makes_no_transition() -> None:
    angle = np.radians(np.linspace(44.0, 56.0, 3000))
    slipping = np.stack((np.zeros_like(angle), np.sin(angle), np.cos(angle)))
    (change,) = transitions(mask(slipping), slipping, LyingParameters())
    assert change.turn_deg < LyingParameters().least_turn_deg
    up = lying_up(Wearer().hold(8).lie_down().hold(20))
    (down,) = transitions(mask(up), up, LyingParameters())
    assert down.turn_deg > 70


def lying_up(wearer: Wearer) -> np.ndarray:
    return motion(wearer).up


def mask(up: np.ndarray, *, initial: bool = False) -> np.ndarray:
    return lying_mask(
        up, initial, LyingParameters(), enter_deg=50, leave_deg=38, forward_known=True
    )


def test_lying_begins_and_ends_with_its_turns() -> None:
    up = lying_up(Wearer().hold(8).lie_down().hold(20).go(2, flexion=0, height=0).hold(8))
    lying = mask(up)
    into, out = transitions(lying, up, LyingParameters())
    assert into.into
    assert not out.into
    assert into.start / MOTION_HZ == pytest.approx(9.3, abs=0.7)
    assert into.stop / MOTION_HZ == pytest.approx(11.0, abs=0.7)
    assert out.start / MOTION_HZ == pytest.approx(31.4, abs=0.7)
    assert lying_side(up[:, 400:401], LyingParameters())[0] == Posture.LYING_SUPINE
    assert tilt_deg(up[:, 500:501])[0] == pytest.approx(90, abs=3)


def test_a_deep_bend_is_not_lying_and_prone_is() -> None:
    bend = lying_up(Wearer().hold(5).go(1.5, flexion=85).hold(3).go(1.5, flexion=0).hold(5))
    assert not mask(bend).any()
    prone = lying_up(Wearer().hold(5).go(1.5, flexion=85).hold(15).go(1.5, flexion=0).hold(5))
    assert mask(prone).any()
    assert lying_side(prone[:, 400:401], LyingParameters())[0] == Posture.LYING_PRONE


@pytest.mark.parametrize(
    ("lateral", "side"), [(80.0, Posture.LYING_RIGHT), (-80.0, Posture.LYING_LEFT)]
)
def test_lying_on_a_side(lateral: float, side: Posture) -> None:
    up = lying_up(Wearer().hold(5).go(2, lateral=lateral).hold(10))
    assert mask(up)[-100:].all()
    assert lying_side(up[:, -50:-49], LyingParameters())[0] == side


@pytest.mark.parametrize(
    ("azimuth_deg", "posture"),
    [
        (30.0, Posture.LYING_SUPINE),
        (40.0, Posture.LYING_RIGHT),
        (140.0, Posture.LYING_RIGHT),
        (150.0, Posture.LYING_PRONE),
        (-40.0, Posture.LYING_LEFT),
    ],
)
def test_the_side_begins_where_a_back_is_no_longer_flat(
    azimuth_deg: float, posture: Posture
) -> None:
    angle = np.radians(azimuth_deg)
    up = np.array([[np.cos(angle)], [np.sin(angle)], [0.0]])
    assert lying_side(up, LyingParameters())[0] == posture


def test_turning_over_is_counted_with_its_direction() -> None:
    wearer = Wearer().hold(5).lie_down().hold(6)
    wearer.go(1.5, flexion=-15, lateral=70).hold(6).go(1.5, flexion=-90, lateral=0).hold(6)
    up = lying_up(wearer)
    first, second = rolls(up, mask(up), LyingParameters())
    assert first.angle_deg * second.angle_deg < 0
    assert abs(first.angle_deg) > 60
    assert first.stop <= second.start
