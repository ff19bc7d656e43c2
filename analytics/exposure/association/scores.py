"""How strongly pain and exposure go together once everything else is held constant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

from analytics.exposure.association.lags import Design, Sources
from analytics.exposure.association.observations import Floats

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


def _solve(
    base: Floats, pain: Floats, exposure: Floats, beside: Floats, mask: NDArray[np.bool_]
) -> tuple[NDArray[Any], ...]:
    """n, slope, error, freedom and score (P, T) by weighted normal equations.

    base (N, K), exposure (P, T, N), beside (P, C, N), mask (P, N)
    """
    k, c = base.shape[1], beside.shape[1]
    weight = mask.astype(float)
    n = weight.sum(axis=1)
    exposure, unit = _scaled(exposure, mask[:, None])
    beside, _ = _scaled(beside, mask[:, None])
    pain = pain - pain.mean()
    gram = np.empty((len(weight), k + c, k + c))
    gram[:, :k, :k] = (weight @ (base[:, :, None] * base[:, None, :]).reshape(-1, k * k)).reshape(
        -1, k, k
    )
    gram[:, k:, :k] = beside @ base
    gram[:, :k, k:] = gram[:, k:, :k].transpose(0, 2, 1)
    gram[:, k:, k:] = beside @ beside.transpose(0, 2, 1)
    gram += np.eye(k + c) * (RIDGE * np.maximum(n, 1.0))[:, None, None]
    masked_pain = weight * pain
    sides = np.concatenate([exposure, masked_pain[:, None]], axis=1)
    right = np.concatenate([sides @ base, sides @ beside.transpose(0, 2, 1)], axis=2)
    solved = np.linalg.solve(gram, right.transpose(0, 2, 1))
    own = (right[:, :-1] * solved[:, :, :-1].transpose(0, 2, 1)).sum(axis=2)
    all_x = (exposure**2).sum(axis=2)
    xx = all_x - own
    xy = (exposure @ masked_pain[:, :, None] - right[:, :-1] @ solved[:, :, -1:])[..., 0]
    yy = (masked_pain**2).sum(axis=1) - (right[:, -1] * solved[:, :, -1]).sum(axis=1)
    freedom = np.broadcast_to((n - k - c - 1)[:, None], xx.shape).astype(np.int64)
    with np.errstate(divide="ignore", invalid="ignore"):
        slope = xy / xx
        rest = np.maximum(yy[:, None] - slope * xy, 0.0)
        error = np.sqrt(rest / freedom / xx)
        t = slope / error
    usable = (freedom >= SPARE) & (xx > FLAT * np.maximum(all_x, 1e-300)) & np.isfinite(t)
    score = np.full(t.shape, np.nan)
    score[usable] = -np.sign(t[usable]) * ndtri(stdtr(freedom[usable], -np.abs(t[usable])))
    slope, error = (np.where(usable, value, np.nan) / unit for value in (slope, error))
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
