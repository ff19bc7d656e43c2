"""Time of the association answer."""

from __future__ import annotations

import time

import numpy as np

from analytics.exposure.association.answer import associate
from tests.bench.budget import Budget
from tests.simulation.association import Case, person

DAYS, TRIGGERS = 90, 8


def measure() -> list[Budget]:
    exposures, pain, _ = person(Case(DAYS, TRIGGERS, 0.5, 0.3), np.random.default_rng(1))
    times = []
    for _ in range(3):
        begun = time.process_time()
        found = associate(exposures, pain)
        times.append(time.process_time() - begun)
    note = f"{len(found.lags)} lags, reverse, flares; CPU"
    return [
        Budget("association, 90 d x 8 triggers x 10,000 shifts", min(times), 2.0, "s", note=note)
    ]
