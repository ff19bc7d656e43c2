"""The count behind floats: sensors that send SI floats still measure whole counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from firmware_profiles.base import Quantity

_ROUNDING: Final = 2 * float(np.finfo(np.float32).eps)
"""Relative error of a float32 that was computed from a count in one or two float32 operations."""


class StepFinder:
    """Finds SI per count for each quantity of a stream.

    candidates: quantity -> possible steps in the unit sent, coarsest first, each a divisor of the
    one before; si_per_unit: quantity -> factor to SI. A step is claimed only for a block whose
    values all are whole multiples of it within float32 rounding. Once a finer step was needed it
    stays, so that a sensor at rest does not make the answer change to and fro.
    """

    def __init__(
        self,
        candidates: Mapping[Quantity, Sequence[float]],
        si_per_unit: Mapping[Quantity, float],
    ) -> None:
        self._quantities = [q for q in si_per_unit if q in candidates]
        self._rows = [list(si_per_unit).index(q) for q in self._quantities]
        self._left = {q: list(candidates[q]) for q in self._quantities}
        self._si_per_unit = si_per_unit
        self._lsb: dict[Quantity, float] = {}
        self._renew()

    def find(self, values: NDArray[np.float64]) -> Mapping[Quantity, float]:
        """SI per count where known; values: (quantities, n, 3) in the unit sent, in the order of
        si_per_unit."""
        if not self._quantities:
            return {}
        chosen = values[self._rows]
        fits = _fits(chosen, self._steps)
        if fits.all():
            return self._lsb
        unknown = set()
        for index in np.flatnonzero(~fits):
            quantity = self._quantities[index]
            if not self._refine(quantity, chosen[index : index + 1]):
                unknown.add(quantity)
        return {q: step for q, step in self._lsb.items() if q not in unknown}

    def fit(self, values: NDArray[np.float64]) -> Mapping[Quantity, float] | None:
        """SI per count when it needs no thought: all values are whole multiples of the present
        steps; else None, and nothing changes."""
        if self._quantities and not _fits(values[self._rows], self._steps).all():
            return None
        return self._lsb

    def _refine(self, quantity: Quantity, values: NDArray[np.float64]) -> bool:
        for index, step in enumerate(self._left[quantity]):
            if _fits(values, np.array([[[step]]])).all():
                del self._left[quantity][:index]
                self._renew()
                return True
        return False

    def _renew(self) -> None:
        steps = [self._left[q][0] for q in self._quantities]
        self._steps = np.array(steps).reshape(-1, 1, 1)
        self._lsb = {
            q: step * self._si_per_unit[q] for q, step in zip(self._quantities, steps, strict=True)
        }


def _fits(values: NDArray[np.float64], steps: NDArray[np.float64]) -> NDArray[np.bool_]:
    """(quantities,) whether all values of a quantity are whole multiples of its step."""
    off = np.abs(values - np.rint(values / steps) * steps)
    fits: NDArray[np.bool_] = np.all(off <= _ROUNDING * np.abs(values), axis=(1, 2))
    return fits
