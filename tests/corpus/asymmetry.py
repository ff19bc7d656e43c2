"""Step-time asymmetry of people whom no choice was made on: `python -m tests.corpus.asymmetry`.

The settings of the mean stride's marks are chosen anew without each walker of MovingReality, by
Spearman's rho of the others (the scale by their mean error), and tell that walker. What is printed
is the rho of all walkers told in this way, with a 95 % interval from drawing walkers, and the rho
when half of the walkers choose for the other half. Beside it a definition from the literature in
which nothing is chosen: how much less a step is like the last one than a stride (Moe-Nilssen &
Helbostad 2004, doi:10.1016/S0021-9290(03)00233-1).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations, product
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.stats import spearmanr

from analytics.detect import gait
from analytics.detect.gait import GaitParameters, gait_of
from analytics.detect.strides import StrideWindows
from analytics.offline import analyse
from analytics.recording import read_recording

FOLDER = Path(__file__).parents[3] / "shared" / "corpus" / "recordings" / "MovingReality"
GRID = {
    "wave_hz": (2.0, 3.0, 4.0, 5.0),
    "rise_level": (-1.0, -0.75, -0.5, 0.0),
    "jerk_from": (-0.1, -0.05, 0.0),
    "jerk_to": (0.2, 0.25, 0.3),
}
SCALES = np.arange(0.3, 1.0, 0.05)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Walk:
    """One recording."""

    subject: str
    truth_pct: float
    windows: tuple[tuple[StrideWindows, float], ...]

    def unscaled_pct(self, p: GaitParameters) -> float:
        """As the product says it, with a scale of one."""
        pieces = [piece for w, turning in self.windows for piece in gait_of(w, turning, p)]
        found = gait.asymmetry(pieces, replace(p, asymmetry_scale=1.0, least_strides=0.0))
        return float("nan") if found is None else found.value

    def unlike(self) -> float:
        """One less step regularity over stride regularity."""
        pieces = [g for w, turning in self.windows for g in gait_of(w, turning, GaitParameters())]
        strides = np.array([piece.strides for piece in pieces])
        step, stride = (
            strides @ np.array([getattr(piece, f"{name}_regularity") for piece in pieces])
            for name in ("step", "stride")
        )
        return float(1.0 - step / stride)


def walks() -> Iterator[Walk]:
    """Every recording, its stride windows kept while it is analysed."""
    for path in sorted(FOLDER.glob("*.parquet")):
        kept: list[tuple[StrideWindows, float]] = []

        def keep(
            w: StrideWindows,
            turning: float,
            p: GaitParameters,
            into: list[tuple[StrideWindows, float]] = kept,
        ) -> tuple[gait.WalkGait, ...]:
            into.append((w, turning))
            return gait_of(w, turning, p)

        with mock.patch("analytics.block_findings.gait_of", keep):
            analyse(read_recording(path))
        about = json.loads(pq.read_schema(path).metadata[b"trunkline"])
        truth = json.loads(path.with_suffix(".truth.json").read_text())
        yield Walk(about["subject"], truth["step_time_asymmetry_pct"], tuple(kept))


def rho(told: Floats, truth: Floats) -> float:
    return float(spearmanr(told, truth).statistic)


def with_interval(told: Floats, truth: Floats, subject: NDArray[np.str_]) -> str:
    """Rho and its 95 % interval from drawing walkers."""
    rng, people, drawn = np.random.default_rng(0), np.unique(subject), []
    for _ in range(4000):
        chosen = rng.choice(people, len(people))
        rows = np.concatenate([np.flatnonzero(subject == one) for one in chosen])
        drawn.append(rho(told[rows], truth[rows]))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{rho(told, truth):.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    """Print the figures."""
    everything = list(walks())
    subject = np.array([walk.subject for walk in everything])
    truth = np.array([walk.truth_pct for walk in everything])
    told: list[Floats] = []
    for values in product(*GRID.values()):
        p = replace(GaitParameters(), **dict(zip(GRID, values, strict=True)))
        answer = np.array([walk.unscaled_pct(p) for walk in everything])
        if np.isfinite(answer).all():
            told.append(answer)

    def best(rows: NDArray[np.bool_]) -> Floats:
        answer = max(told, key=lambda each: rho(each[rows], truth[rows]))
        errors = [np.abs(k * answer[rows] - truth[rows]).mean() for k in SCALES]
        scaled: Floats = SCALES[int(np.argmin(errors))] * answer
        return scaled

    people = np.unique(subject)
    blind = np.empty(len(truth))
    for one in people:
        blind[subject == one] = best(subject != one)[subject == one]
    halves = []
    for group in combinations(people, len(people) // 2):
        rows = np.isin(subject, group)
        halves.append(rho(best(rows)[~rows], truth[~rows]))
    fitted = best(np.ones(len(truth), bool))
    unlike = np.array([walk.unlike() for walk in everything])
    print(f"{len(told)} settings, {len(truth)} recordings, {len(people)} walkers")
    print(f"chosen on all of them: rho {rho(fitted, truth):.3f}")
    error = np.abs(blind - truth).mean()
    print(
        f"without the walker: rho {with_interval(blind, truth, subject)}, mean error {error:.2f} %"
    )
    ten, half, ninety = np.percentile(halves, [10, 50, 90])
    print(
        f"half for the other half: median rho {half:.3f} (10th to 90th {ten:.3f} to {ninety:.3f})"
    )
    print(f"step against stride regularity: rho {with_interval(unlike, truth, subject)}")


if __name__ == "__main__":
    main()
