"""The synthetic patient through the chain: exposure against truth, the linked trigger found."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from analytics.day_reading import read_day
from analytics.exposure.association.answer import ASSOCIATED, associate
from analytics.exposure.association.observations import Exposures, Pain
from analytics.exposure.association.parameters import AssociationParameters
from analytics.exposure.days import Day
from analytics.exposure.triggers import TRIGGERS
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.records import Hold
from analytics.worker import Worker
from tests.analytics.test_worker import arrive, batches, birth
from trunkline.synthetic.patient import USUAL, patient, played, true_exposure
from trunkline.synthetic.wearer import simulate

QUICK = AssociationParameters(permutations=500, reverse_permutations=100)
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize("linked", TRIGGERS)
def test_the_linked_trigger_is_found_and_the_others_are_not(linked: str) -> None:
    days = patient(70, seed=2, linked=linked)
    amount = np.array([[day.exposure[name] for day in days] for name in TRIGGERS])
    exposures = Exposures(days[0].date, tuple(TRIGGERS), amount, np.full(len(days), 840.0))
    answers = [(n, hour, a) for n, day in enumerate(days) for hour, a in day.pain.items()]
    number, hour, severity = (np.array(column) for column in zip(*answers, strict=True))
    found = associate(exposures, Pain(number, hour, severity.astype(float)), QUICK)
    called = {(a.trigger, a.lag) for a in found.answers if a.answer == ASSOCIATED}
    assert called == {(linked, "same_day")}


def test_the_triggers_are_those_that_exposure_counts() -> None:
    assert list(USUAL) == list(TRIGGERS)


def test_exposure_is_within_three_per_cent_of_the_truth(tmp_path: Path) -> None:
    """Samples, store, worker, exposure: a day played shorter."""
    amounts = {
        "slouched_min": 30.0, "walking_min": 12.0, "sit_to_stand_count": 9, "bed_roll_count": 6,
        "squat_count": 6, "forward_bend_count": 6, "lateral_bend_count": 6,
        "trunk_rotation_count": 6,
    }  # fmt: skip
    made = simulate(4200.0, 50.0, "T12", 4, story=played(amounts), start_utc=START)
    store, clinic = EmbeddedStore(tmp_path / "s.db"), Clinic(tmp_path / "c.db")
    clinic.add_wearer("demo", "UTC")
    start_ns = int(START.timestamp()) * 10**9
    birth(clinic, made)
    first_ns, last_ns = (start_ns + round(s * 1e9) for s in made.metadata["upright_reference"])
    clinic.add_hold(
        Hold("demo", "trunk", first_ns, last_ns, made.metadata["reference_posture"], "recording")
    )
    # after the last movement the body is stiller than anybody who breathes: the sensor would be
    # taken for one that was put aside
    lived_s = max(movement["end_s"] for movement in made.truth["movements"])
    until_ns = start_ns + round(1e9 * (lived_s + 10))
    arrive(store, clinic, [b for b in batches(made, start_ns) if b.batch.t0_ns < until_ns])
    Worker(store, clinic).tick()
    exposure = read_day(store, "demo", Day(START.date(), ZoneInfo("UTC"))).exposure.exposure
    store.close()
    clinic.close()
    true = true_exposure(made.truth)
    told = {name: amount(exposure) for name, amount in TRIGGERS.items()}
    assert exposure.worn_min == pytest.approx(lived_s / 60, rel=0.03)
    for name in ("slouched_min", "walking_min"):
        assert told[name] == pytest.approx(true[name], rel=0.03), (told, true)
    for name in (
        "sit_to_stand_count",
        "bed_roll_count",
        "squat_count",
        "forward_bend_count",
        "lateral_bend_count",
        "trunk_rotation_count",
    ):
        assert told[name] == true[name], (told, true)
