"""How late a movement is counted: the figures of docs/scale.md. `python -m tests.bench.latency`

A synthetic wearer's samples come second by second, and after each one the present is told. "known":
the first second from which on it is told for good where everything that is open is computed anew
after every second, which no worker could pay: sooner nobody can know it. "told": the same for what
the worker tells. Both count from the movement's end by the script. What the store, the broker and
the page add is measured by `python -m tests.bench dashboard`. No processor time is measured: the
figures are the same on every machine.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from analytics.detect.findings import SECOND_NS, Findings, join
from analytics.offline import context_of
from analytics.outlook import Outlook
from analytics.pipeline import Pipeline
from analytics.recording import read_recording
from trunkline.synthetic.recording_file import write_recording
from trunkline.synthetic.wearer import SyntheticWearer

RATE_HZ = 50
AFTER_S = 45
"""So long after its end a movement is waited for."""
SECOND = 7
"""Of the outlook: any other gives other figures for single movements, not for many."""
STORIES = (("an ordinary day, 7 to 8 o'clock", "day", 7.0), ("always moving", "demo", 7.0))
DURATION_S = 2400
SEEDS = (3, 4)

KEPT_S = 90
"""What began longer ago does not change any more and is not compared."""

Item = tuple[str, int, int]
"""Kind, beginning and end [ns]."""
Said = dict[int, list[Item]]
"""After which second what was told."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Of one movement, in seconds from its end."""

    kind: str
    known_s: float
    told_s: float


def main() -> None:
    for name, story, first_hour in STORIES:
        found: list[Delay] = []
        taken_back: Counter[str] = Counter()
        for seed in SEEDS:
            wearer = SyntheticWearer(
                DURATION_S, RATE_HZ, "T12", seed, story=story, first_hour=first_hour
            )
            delays, back = delays_of(wearer)
            found += delays
            taken_back += back
        print(f"{name}: {len(found)} movements, {len(SEEDS)} wearers")
        heads = "".join(f" {head:>14}" for head in ("known", "told", "told - known"))
        print(f"{'seconds after the end':<24} {'n':>4}{heads}")
        for kind in ["all", *sorted({delay.kind for delay in found})]:
            _row(kind, [delay for delay in found if kind in {"all", delay.kind}])
        print(f"told for a while and taken back: {dict(taken_back) or 'nothing'}", flush=True)


def _row(kind: str, delays: list[Delay]) -> None:
    known = np.array([delay.known_s for delay in delays])
    told = np.array([delay.told_s for delay in delays])
    cells = "".join(f" {_both(values):>14}" for values in (known, told, told - known))
    print(f"{kind:<24} {len(delays):>4}{cells}")


def _both(values: np.ndarray) -> str:
    """Median and 95th percentile."""
    half, most = np.percentile(values, [50, 95])
    return f"{half:.1f} / {most:.1f}"


def delays_of(wearer: SyntheticWearer) -> tuple[list[Delay], Counter[str]]:
    """Of every movement of the script that is found in the end, and by kind how often one was told
    that was not there in the end."""
    true = [_item(m["kind"], m["start_s"], m["end_s"]) for m in wearer.truth["movements"]]
    true += [_item("walking_bout", b["start_s"], b["end_s"]) for b in wearer.truth["bouts"]]
    told, known, final = _watched(wearer, [end_ns // SECOND_NS for _, _, end_ns in true])
    delays = []
    for item in true:
        kind, _, end_ns = item
        there = [other for other in final if _same(item, other)]
        if there and end_ns // SECOND_NS + AFTER_S < DURATION_S:
            since = [_since(said, there[0], end_ns // SECOND_NS) for said in (known, told)]
            delays.append(Delay(kind, *(s - end_ns / SECOND_NS for s in since)))
    wrong = {
        (kind, start_ns // (5 * SECOND_NS))
        for items in told.values()
        for kind, start_ns, end_ns in items
        if not any(_same((kind, start_ns, end_ns), other) for other in final)
    }
    return delays, Counter(kind for kind, _ in wrong)


def _watched(wearer: SyntheticWearer, ends_s: Iterable[int]) -> tuple[Said, Said, list[Item]]:
    """What is told and what is known after each second, and what was true in the end."""
    awaited = {s for end_s in ends_s for s in range(end_s - 2, end_s + AFTER_S)}
    with tempfile.TemporaryDirectory() as folder:
        write_recording(wearer, Path(folder) / "wearer.parquet")
        recording = read_recording(Path(folder) / "wearer.parquet")
    pipeline = Pipeline(context_of(recording))
    outlook = Outlook(pipeline, SECOND)
    told: Said = {}
    known: Said = {}
    final: list[Findings | None] = []
    for second in range(1, DURATION_S + 1):
        part = slice((second - 1) * RATE_HZ, second * RATE_HZ)
        gyro = None if recording.gyro is None else recording.gyro[part]
        pipeline.push(recording.t_ns[part], recording.accel[part], gyro)
        final.append(pipeline.final())
        look = outlook.look()
        told[second] = _items([*final, look.findings if look else None], second)
        if second in awaited:
            known[second] = _items([*final, pipeline.provisional()], second)
    final.append(pipeline.finish())
    return told, known, _items(final, KEPT_S)


def _items(parts: Sequence[Findings | None], second: int) -> list[Item]:
    """Movements and bouts that began in the last KEPT_S before `second` or later."""
    since_ns = (second - KEPT_S) * SECOND_NS
    found = join(part for part in parts if part is not None and part.end_ns >= since_ns)
    if found is None:
        return []
    items = [(m.kind.value, m.start_ns, m.end_ns) for m in found.movements]
    items += [("walking_bout", b.start_ns, b.end_ns) for b in found.walking_bouts]
    return [item for item in items if item[1] >= since_ns]


def _item(kind: str, start_s: float, end_s: float) -> Item:
    return kind, round(start_s * SECOND_NS), round(end_s * SECOND_NS)


def _same(a: Item, b: Item) -> bool:
    return a[0] == b[0] and a[1] < b[2] and b[1] < a[2]


def _since(said: Said, item: Item, end_s: int) -> int:
    """From which second on, around end_s, it is told without a break."""
    missing = [
        second
        for second in range(end_s - 2, end_s + AFTER_S)
        if not any(_same(item, other) for other in said[second])
    ]
    return max(missing, default=end_s - 2) + 1


if __name__ == "__main__":
    main()
