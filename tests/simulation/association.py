"""How often the association answer is wrong, and how often it finds what is there.

`make association` runs everything and writes the tables of docs/association.md; the tests run a
short version. People are simulated: exposures and pain are AR(1) from day to day.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from analytics.exposure.association.answer import ASSOCIATED, associate
from analytics.exposure.association.lags import SAME_DAY
from analytics.exposure.association.observations import Exposures, Pain
from analytics.exposure.association.parameters import AssociationParameters

ROOT = Path(__file__).parent.parent.parent
DOCUMENT = ROOT / "docs" / "association.md"
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"
BURN_IN = 100
MEDIUM_R = 0.36
"""Partial correlation of the linked exposure with pain of the same day: f² = .15, Cohen 1988."""


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of person."""

    days: int
    triggers: int
    memory: float
    """AR(1) coefficient of exposures and of pain"""
    linked_r: float = 0.0
    missing: float = 0.0
    """share of days without wear, in runs, and of days without an answer"""
    weekly: float = 0.0
    """workday effect on all exposures and on pain, in standard deviations"""
    skewed: bool = False
    """exposures are lognormal, mostly little and now and then much; the link is to the logarithm"""
    lags: tuple[str, ...] | None = (SAME_DAY,)


@dataclass(frozen=True, slots=True)
class Rates:
    """Shares of simulated people."""

    single: float
    """first trigger, its own p <= 5 %"""
    family: float
    """any trigger and lag called associated"""
    linked: float
    """the first trigger called associated"""
    naive: float
    """first trigger, Pearson correlation p <= 5 %"""
    covered: float
    """95 % interval of the first trigger holds the true slope"""
    people: int

    def error(self, share: float) -> float:
        return float(np.sqrt(share * (1 - share) / self.people))


def person(case: Case, rng: np.random.Generator) -> tuple[Exposures, Pain, float]:
    """Exposure, pain, and the true slope of the first trigger."""
    n, spread = case.days, float(np.sqrt(1 - case.memory**2))
    noise = rng.standard_normal((case.triggers + 1, n + BURN_IN))
    amount = lfilter([spread], [1, -case.memory], noise[:-1], axis=1)
    slope = case.linked_r / np.sqrt(1 - case.linked_r**2) * spread
    pain = lfilter([1.0], [1, -case.memory], spread * noise[-1] + slope * amount[0])
    amount, pain = amount[:, BURN_IN:], pain[BURN_IN:]
    workday = (np.arange(n) % 7 < 5).astype(float)
    amount, pain = amount + case.weekly * workday, pain + case.weekly * workday
    if case.skewed:
        amount = np.exp(amount)
    worn = np.full(n, 840.0)
    if case.missing:
        amount[:, _runs(n, case.missing, rng)] = np.nan
        worn[np.isnan(amount[0])] = 0.0
    answered = np.flatnonzero(rng.random(n) >= case.missing)
    exposures = Exposures(
        date(2026, 3, 2), tuple(f"t{i}" for i in range(case.triggers)), amount, worn
    )
    return exposures, Pain(answered, np.full(len(answered), np.nan), pain[answered]), float(slope)


def _runs(n: int, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Gaps of three days on the average."""
    gone = np.zeros(n, bool)
    for start in np.flatnonzero(rng.random(n) < share / 3):
        gone[start : start + int(rng.integers(1, 6))] = True
    return gone


def rates(case: Case, people: int, seed: int, permutations: int = 500) -> Rates:
    """Simulate `people` of one kind."""
    parameters = dataclasses.replace(AssociationParameters(), permutations=permutations)
    rng = np.random.default_rng(seed)
    single = family = linked = naive = covered = 0
    for _ in range(people):
        exposures, pain, slope = person(case, rng)
        found = associate(exposures, pain, parameters, case.lags, beside=False)
        first = found.answers[0]
        single += first.p is not None and first.p <= parameters.alpha
        called = [answer.trigger for answer in found.answers if answer.answer == ASSOCIATED]
        family += bool(called)
        linked += "t0" in called
        naive += _naive(exposures, pain) <= parameters.alpha
        covered += first.effect is not None and first.effect.low <= slope <= first.effect.high
    return Rates(*(count / people for count in (single, family, linked, naive, covered)), people)


def _naive(exposures: Exposures, pain: Pain) -> float:
    from scipy.stats import pearsonr

    by_day = pain.by_day(exposures.days)
    known = np.isfinite(by_day) & np.isfinite(exposures.amount[0])
    return float(pearsonr(by_day[known], exposures.amount[0, known]).pvalue)


def _percent(rates_: Rates, share: float) -> str:
    return f"{100 * share:.1f} ± {100 * rates_.error(share):.1f}"


def tables(people: int, say: bool) -> Iterator[str]:
    """Markdown of all tables."""
    yield "False alarms (no trigger is linked), % of simulated people ± standard error:\n"
    yield (
        "| Days | Memory | Peculiarity | Naive correlation | One trigger, own p"
        " | Eight triggers, any called | Eight triggers and two lags |"
    )
    yield "|---|---|---|---|---|---|---|"
    nulls = [(d, m, "", {}) for d in (28, 60, 90) for m in (0.5, 0.8)]
    nulls += [
        (28, 0.6, "weekly rhythm", {"weekly": 1.0}),
        (60, 0.6, "skewed exposures", {"skewed": True}),
        (60, 0.6, "20 % missing", {"missing": 0.2}),
        (90, 0.6, "20 % missing", {"missing": 0.2}),
        (90, 0.6, "weekly rhythm", {"weekly": 1.0}),
    ]
    for seed, (days, memory, word, more) in enumerate(nulls):
        case = Case(days, 1, memory, **more)
        one = rates(case, people, seed)
        eight = rates(dataclasses.replace(case, triggers=8), people, 100 + seed)
        both = rates(dataclasses.replace(case, triggers=8, lags=None), people // 2, 200 + seed)
        row = (
            f"| {days} | {memory} | {word} | {_percent(one, one.naive)}"
            f" | {_percent(one, one.single)} | {_percent(eight, eight.family)}"
            f" | {_percent(both, both.family)} |"
        )
        if say:
            print(row, file=sys.stderr, flush=True)
        yield row
    yield f"\nPower for a medium effect (partial correlation {MEDIUM_R}, memory 0.5), %:\n"
    yield (
        "| Days | One trigger declared | One of eight | One of eight, two lags"
        " | 95 % interval holds the truth |"
    )
    yield "|---|---|---|---|---|"
    for seed, days in enumerate((28, 60, 90, 120)):
        case = Case(days, 1, 0.5, MEDIUM_R)
        one = rates(case, people, 300 + seed)
        eight = rates(dataclasses.replace(case, triggers=8), people // 2, 400 + seed)
        both = rates(dataclasses.replace(case, triggers=8, lags=None), people // 2, 500 + seed)
        row = (
            f"| {days} | {_percent(one, one.single)} | {_percent(eight, eight.linked)}"
            f" | {_percent(both, both.linked)} | {_percent(one, one.covered)} |"
        )
        if say:
            print(row, file=sys.stderr, flush=True)
        yield row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=1000, help="simulated for each figure")
    parser.add_argument("--write", action="store_true", help="put the tables into the document")
    wanted = parser.parse_args()
    begun = time.process_time()
    text = "\n".join(tables(wanted.people, say=wanted.write))
    spent = f"{(time.process_time() - begun) / 60:.0f} min of one core"
    text = (
        f"{date.today().isoformat()}, {wanted.people} people for each figure (half in the last"
        f" column), {spent}.\n\n{text}\n"
    )
    if not wanted.write:
        print(text)
        return 0
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{text}{END}{after}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
