"""Exposure and pain of one person on the days of a calendar, with holes where nothing is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
HOURS = 24


@dataclass(frozen=True, slots=True)
class Exposures:
    """Amounts of T triggers on D consecutive local days; NaN is "not known", never zero."""

    first_day: date
    triggers: tuple[str, ...]
    amount: Floats
    """(T, D) in the unit of the trigger: minutes, counts, dose"""
    worn_min: Floats
    """(D,) NaN on days without a word on wear"""
    hourly_amount: Floats | None = None
    """(T, D, 24) by the wall clock; None when only days are known"""
    hourly_worn_min: Floats | None = None
    """(D, 24)"""

    @property
    def days(self) -> int:
        return int(self.amount.shape[1])

    @classmethod
    def from_hours(
        cls, first_day: date, triggers: Sequence[str], amount: Floats, worn_min: Floats
    ) -> Exposures:
        """Days as sums of their hours: amount (T, D, 24), worn_min (D, 24)."""
        return cls(
            first_day,
            tuple(triggers),
            _sum(amount),
            _sum(worn_min),
            amount,
            worn_min,
        )


@dataclass(frozen=True, slots=True)
class Pain:
    """N answers to "how strong", in order of time."""

    day: NDArray[np.int64]
    """(N,) index of the local day in the exposures' calendar; may lie outside of it"""
    hour: Floats
    """(N,) local time of day in hours, 0..24; NaN where only the day is known"""
    severity: Floats
    """(N,) 0..10"""

    def by_day(self, days: int) -> Floats:
        """(days,) mean of the day's answers, NaN without any."""
        inside = (self.day >= 0) & (self.day < days)
        count = np.bincount(self.day[inside], minlength=days)
        total = np.bincount(self.day[inside], self.severity[inside], minlength=days)
        return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _sum(hours: Floats) -> Floats:
    """Sum over the last axis of what is known; NaN where nothing is."""
    known = np.isfinite(hours)
    return np.where(known.any(-1), np.where(known, hours, 0.0).sum(-1), np.nan)
