"""How strongly pain and exposure go together once everything else is held constant."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

from analytics.exposure.association.lags import Design, Sources
from analytics.exposure.association.observations import Floats
from analytics.exposure.association.shifts import Shifts

CHUNK_NUMBERS = 1 << 20
"""Exposure values that are worked on at once: bounds the memory."""
SPARE = 5
"""Answers beyond the number of coefficients without which nothing is computed."""
RIDGE = 1e-9
"""Of the number of rows, on standardised columns: columns that say the same do not stop us."""
FLAT = 1e-8
"""Share of variance left by the other columns below which an exposure does not vary by itself."""


@dataclass(frozen=True, slots=True)
class Fit:
    """Partial regression of pain on exposure; arrays are (P, T)."""

    n: NDArray[np.int64]
    slope: Floats
    """points of pain for one unit of exposure"""
    error: Floats
    """its standard error"""
    freedom: NDArray[np.int64]
    """degrees of freedom left"""
    score: Floats
    """the t statistic on the scale of a standard normal, so that fits with different numbers of
    answers can be compared; NaN where nothing can be computed"""


def fit(design: Design, source: Sources) -> Fit:
    """The fit for each way to lay the days of exposure: source (P, D)."""
    asked = np.isfinite(design.pain)
    if not asked.any():
        nothing = np.zeros((len(source), design.exposure_on(source[:1])[0].shape[1]), np.int64)
        unknown = np.full(nothing.shape, np.nan)
        return Fit(nothing, unknown, unknown, nothing, unknown)
    base = _standard(design.base[asked])
    pain = design.pain[asked]
    exposure, _ = design.exposure_on(source[:1])
    rows = max(1, CHUNK_NUMBERS // max(exposure.size, 1))
    parts = []
    for first in range(0, len(source), rows):
        exposure, beside = design.exposure_on(source[first : first + rows])
        parts.append(_chunk(base, pain, exposure[..., asked], beside[..., asked]))
    return Fit(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _chunk(
    base: Floats, pain: Floats, exposure: Floats, beside: Floats
) -> tuple[NDArray[Any], ...]:
    """Fits of (P, T, N) exposures; triggers with the same holes share their equations."""
    mask = np.isfinite(exposure) & np.isfinite(beside).all(axis=2)
    if beside.shape[1] == 1 and (mask == mask[:, :1]).all():
        return _solve(base, pain, exposure, beside[:, 0], mask[:, 0])
    columns = [
        _solve(base, pain, exposure[:, [t]], beside[:, min(t, beside.shape[1] - 1)], mask[:, t])
        for t in range(exposure.shape[1])
    ]
    return tuple(np.concatenate(arrays, axis=1) for arrays in zip(*columns, strict=True))


def fit_shifts(design: Design, shifts: Shifts) -> Fit:
    """The fit for every shift: what `fit` says of `shifts.source`.

    All that a fit needs are sums of products over the answers. Those of one segment depend on its
    own turn only, so they are made once for each turn of each segment, and a shift adds up one of
    each: thousands of shifts cost as many small equations and no more.
    """
    if shifts.turns is None:
        return fit(design, shifts.source)
    asked = np.isfinite(design.pain)
    if not asked.any():
        return fit(design, shifts.source)
    base, pain = _standard(design.base[asked]), design.pain[asked]
    exposure, beside = design.exposure_on(shifts.together())
    exposure, beside = exposure[..., asked], beside[..., asked]
    segment = np.searchsorted(shifts.edges, design.day[asked], side="right") - 1
    mask = np.isfinite(exposure) & np.isfinite(beside).all(axis=2)
    triggers = range(exposure.shape[1])
    shared = beside.shape[1] == 1 and bool((mask == mask[:, :1]).all())
    parts = []
    for group in [list(triggers)] if shared else [[t] for t in triggers]:
        own = beside[:, min(group[0], beside.shape[1] - 1)]
        sums = _Sums.of(base, pain, exposure[:, group], own, mask[:, group[0]])
        parts.append(sums.by_segment(segment, len(shifts.edges) - 1).turned(shifts.turns).fits())
    return Fit(*(np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True)))


def _solve(
    base: Floats, pain: Floats, exposure: Floats, beside: Floats, mask: NDArray[np.bool_]
) -> tuple[NDArray[Any], ...]:
    """n, slope, error, freedom and score (P, T) of base (N, K), exposure (P, T, N), beside
    (P, C, N), mask (P, N)."""
    return _Sums.of(base, pain, exposure, beside, mask).summed().fits()


@dataclass(frozen=True, slots=True)
class _Sums:
    """Products of the columns [base, beside | exposure | pain], M of them, zero where masked."""

    columns: Floats
    """(P, M, N) as long as they are not summed up"""
    products: Floats
    """(..., M, M)"""
    n: Floats
    """(...,) answers"""
    mask: Floats
    """(P, N)"""
    held: int
    """columns that are held constant: K + C"""
    unit: Floats
    """(T,) unit of each exposure"""

    @classmethod
    def of(
        cls, base: Floats, pain: Floats, exposure: Floats, beside: Floats, mask: NDArray[np.bool_]
    ) -> _Sums:
        weight = mask.astype(float)
        exposure, unit = _scaled(exposure, mask[:, None])
        beside, _ = _scaled(beside, mask[:, None])
        columns = np.concatenate(
            [
                weight[:, None] * base.T,
                beside,
                exposure,
                (weight * (pain - pain.mean()))[:, None],
            ],
            axis=1,
        )
        held = base.shape[1] + beside.shape[1]
        return cls(columns, np.empty(0), np.empty(0), weight, held, unit)

    def summed(self) -> _Sums:
        """Over all answers."""
        products = self.columns @ self.columns.transpose(0, 2, 1)
        return replace(self, products=products, n=self.mask.sum(axis=1))

    def by_segment(self, segment: Sources, count: int) -> _Sums:
        """Over the answers of each segment: products (P, S, M, M)."""
        parts = [self.columns[:, :, segment == s] for s in range(count)]
        products = np.stack([part @ part.transpose(0, 2, 1) for part in parts], axis=1)
        n = np.stack([self.mask[:, segment == s].sum(axis=1) for s in range(count)], axis=1)
        return replace(self, products=products, n=n)

    def turned(self, turns: Sources) -> _Sums:
        """The sums of shifts: turns (P, S) of these."""
        products = self.products[turns[:, 0], 0]
        n = self.n[turns[:, 0], 0]
        for s in range(1, turns.shape[1]):
            products += self.products[turns[:, s], s]
            n = n + self.n[turns[:, s], s]
        return replace(self, products=products, n=n)

    def fits(self) -> tuple[NDArray[Any], ...]:
        """n, slope, error, freedom and score, (P, T), by the normal equations."""
        n, k, g = self.n, self.held, self.products
        gram = g[:, :k, :k] + np.eye(k) * (RIDGE * np.maximum(n, 1.0))[:, None, None]
        right = g[:, k:, :k]
        solved = np.linalg.solve(gram, g[:, :k, k:])
        own = (right[:, :-1] * solved[:, :, :-1].transpose(0, 2, 1)).sum(axis=2)
        all_x = g[:, k:-1, k:-1].diagonal(axis1=1, axis2=2)
        xx = all_x - own
        xy = g[:, k:-1, -1] - (right[:, :-1] @ solved[:, :, -1:])[..., 0]
        yy = g[:, -1, -1] - (right[:, -1] * solved[:, :, -1]).sum(axis=1)
        freedom = np.broadcast_to((n - k - 1)[:, None], xx.shape).astype(np.int64)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = xy / xx
            rest = np.maximum(yy[:, None] - slope * xy, 0.0)
            error = np.sqrt(rest / freedom / xx)
            t = slope / error
        usable = (freedom >= SPARE) & (xx > FLAT * np.maximum(all_x, 1e-300)) & np.isfinite(t)
        score = np.full(t.shape, np.nan)
        score[usable] = -np.sign(t[usable]) * ndtri(stdtr(freedom[usable], -np.abs(t[usable])))
        slope, error = (np.where(usable, value, np.nan) / self.unit for value in (slope, error))
        count = np.broadcast_to(n[:, None], t.shape).astype(np.int64)
        return count, slope, error, freedom, score


def _scaled(values: Floats, mask: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Standardised per column over everything, zero where masked; and the unit of each column."""
    inside = np.broadcast_to(mask, values.shape)
    count = np.maximum(inside.sum(axis=(0, 2)), 1)
    filled = np.where(inside, values, 0.0)
    middle = (filled.sum(axis=(0, 2)) / count)[:, None]
    centred = np.where(inside, values - middle, 0.0)
    unit = np.sqrt((centred**2).sum(axis=(0, 2)) / count)
    unit = np.where(unit > 0, unit, 1.0)
    return centred / unit[:, None], unit


def _standard(base: Floats) -> Floats:
    """Columns of spread one; those that never change are left out, except the intercept."""
    spread = base.std(axis=0)
    keep = spread > 0
    keep[0] = True
    scaled = (base - base.mean(axis=0)) / np.where(spread > 0, spread, 1.0)
    scaled[:, 0] = 1.0
    out: Floats = scaled[:, keep]
    return out
