"""How often sitting and standing are right where they are told with some probability."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

EDGES = (0.5, 0.6, 0.8, 0.9, 0.99, 1.001)
_BORDER_S = 1.0
"""Next to a border of the truth nobody knows to the second, as the scorer has it."""

HEAD = """
## How honest the probability is

Seconds that are told as sitting or standing, by the probability told with them (two decimals): how
many, and the share that is right. Seconds told as something else or as unknown are not in it.

"""
NOTE = """
In DSADS nobody is seen sitting down (joined pieces). In SingleChest, without a gyroscope, nearly
all that is told wrong with .9 or more is one wearer's standing: the chest is held 8 degrees off its
reference, and each new angle is taken as new evidence for the same mistake.
"""


def section(pairs: Sequence[tuple[dict[str, Any], dict[str, Any] | None]]) -> str:
    """The section of docs/accuracy.md, from truths and results."""
    found: dict[str, list[tuple[float, bool]]] = defaultdict(list)
    for truth, result in pairs:
        if result is not None:
            found[truth["set"]] += seconds(truth, result)
    names = [f"{low:g}–{min(high, 1):g}" for low, high in pairwise(EDGES)]
    text = HEAD + f"| Set | {' | '.join(names)} |\n|---{'|---' * len(names)}|\n"
    everything = [item for items in found.values() for item in items]
    for name, items in [*sorted(found.items()), ("all", everything)]:
        if items:
            text += f"| {name} | {' | '.join(cells(items))} |\n"
    return text + NOTE


def seconds(truth: dict[str, Any], result: dict[str, Any]) -> Iterator[tuple[float, bool]]:
    """(probability, right) of every second told and known as sitting or standing."""
    timeline = result["timeline"]
    at = np.array(timeline["time_s"], float)
    for start, stop, posture in truth.get("posture", ()):
        if posture not in {"sitting", "standing"}:
            continue
        inside = (at > start + _BORDER_S) & (at < stop - _BORDER_S)
        for i in np.flatnonzero(inside).tolist():
            told, probability = timeline["posture"][i], timeline["probability"][i]
            if told in {"sitting", "standing"} and probability is not None:
                yield probability, told == posture


def cells(items: Sequence[tuple[float, bool]]) -> list[str]:
    """One cell of the table for each pair of edges."""
    told, right = np.array(items, float).T
    out = []
    for low, high in pairwise(EDGES):
        here = (told >= low) & (told < high)
        count = int(np.count_nonzero(here))
        out.append(f"{count}: {right[here].mean():.2f}" if count else "–")
    return out
