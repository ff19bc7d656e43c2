"""The timeline of an interval as whole arrays, made of the `timeline_runs` of its minutes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain, groupby
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

NS_PER_S = 1_000_000_000
MINUTE_S = 60

POSTURES = (
    "sitting",
    "standing",
    "walking",
    "lying_supine",
    "lying_prone",
    "lying_left",
    "lying_right",
    "unknown",
    "not_worn",
)
"""Words of the result format; a posture code is the index in this tuple, -1 means no data."""
CODE = {word: code for code, word in enumerate(POSTURES)}
NO_DATA = -1


class Item(Protocol):
    """What exposure needs of a stored result."""

    @property
    def kind(self) -> str: ...
    @property
    def start_ns(self) -> int: ...
    @property
    def end_ns(self) -> int: ...
    @property
    def body(self) -> Mapping[str, Any]: ...


class _PostureCodes(dict[str | None, int]):
    """word -> code; null is no data, a word of a later version counts as unknown."""

    def __missing__(self, word: str | None) -> int:
        return NO_DATA if word is None else CODE["unknown"]


_POSTURE_CODES = _PostureCodes(CODE)
_FLAG_CODES = {None: NO_DATA, False: 0, True: 1}
_NOTHING = [None, None, None]


@dataclass(frozen=True, slots=True)
class Timeline:
    """One entry a second from start_s (UTC) on; n entries."""

    start_s: int
    posture: NDArray[np.int8]
    """(n,) posture codes, -1 without data"""
    slouched: NDArray[np.int8]
    """(n,) 1 slouched, 0 not, -1 not known"""
    worn: NDArray[np.int8]
    """(n,) 1 worn, 0 not worn, -1 not known"""

    def __len__(self) -> int:
        return len(self.posture)

    def between(self, start_ns: int, end_ns: int) -> Timeline:
        """The part in [start_ns, end_ns), both whole seconds, as views."""
        low = max(start_ns // NS_PER_S - self.start_s, 0)
        high = max(end_ns // NS_PER_S - self.start_s, low)
        part = slice(low, high)
        return Timeline(
            self.start_s + low, self.posture[part], self.slouched[part], self.worn[part]
        )


def runs_of(minute: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a `timeline_runs` result from that of a `timeline` result of the same minute.

    Consecutive seconds with the same posture, slouched and worn become one entry
    [posture, slouched, worn, seconds]: exposure of a day reads a hundredth of the bytes.
    """
    seconds = zip(minute["posture"], minute["slouched"], minute["worn"], strict=True)
    return {"runs": [[*state, sum(1 for _ in same)] for state, same in groupby(seconds)]}


def timeline(minutes: Iterable[Item], start_ns: int, end_ns: int) -> Timeline:
    """Lay `timeline_runs` results (UTC-minute-aligned, 60 s each) on [start_ns, end_ns).

    Seconds that no result speaks of are -1 everywhere. Two results of the same minute (data with
    a pause in it) complete each other.
    """
    items = [m for m in minutes if m.end_ns > start_ns and m.start_ns < end_ns]
    first_s = start_ns // NS_PER_S // MINUTE_S * MINUTE_S
    count_s = -(-(end_ns // NS_PER_S - first_s) // MINUTE_S) * MINUTE_S
    begins = np.array([m.start_ns // NS_PER_S - first_s for m in items], np.int64)
    at = (begins[:, None] + np.arange(MINUTE_S)).reshape(-1)
    entries = list(chain.from_iterable(m.body["runs"] for m in items))
    seconds = np.array([entry[3] for entry in entries], np.int64)
    known = np.repeat(np.array([entry[:3] != _NOTHING for entry in entries], bool), seconds)
    tables: tuple[dict[Any, int], ...] = (_POSTURE_CODES, _FLAG_CODES, _FLAG_CODES)
    columns = []
    for column, codes in enumerate(tables):
        found = np.array([codes[entry[column]] for entry in entries], np.int8)
        lay = np.full(count_s, NO_DATA, np.int8)
        lay[at[known]] = np.repeat(found, seconds)[known]
        columns.append(lay)
    return Timeline(first_s, *columns).between(start_ns, end_ns)


def longest_run_s(state: NDArray[np.bool_], bridge_s: int) -> int:
    """Length in seconds of the longest run of True in which no pause reaches `bridge_s`."""
    at = np.flatnonzero(state)
    if len(at) == 0:
        return 0
    breaks = np.flatnonzero(np.diff(at) > bridge_s)
    firsts = at[np.r_[0, breaks + 1]]
    lasts = at[np.r_[breaks, len(at) - 1]]
    return int((lasts - firsts).max()) + 1


def runs(code: NDArray[np.int8]) -> list[tuple[int, int, int]]:
    """(first, after last, code) of every run of equal codes; [] for an empty array."""
    if len(code) == 0:
        return []
    edges = np.flatnonzero(np.diff(code)) + 1
    firsts, ends = np.r_[0, edges], np.r_[edges, len(code)]
    return list(zip(firsts.tolist(), ends.tolist(), code[firsts].tolist(), strict=True))
