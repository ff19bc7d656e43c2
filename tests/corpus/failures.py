"""`python -m tests.corpus.failures --out DIR`: what goes wrong, as pages to look at.

For every figure of docs/accuracy.md the recordings that are on the wrong side of it, worst first,
each as the page of `trunkline analyse --report` (signals, angles, found and true), and one index.
The pages show recordings of the corpus: they are not for the repository.
"""

from __future__ import annotations

import argparse
import html
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analytics.offline import analyse
from analytics.recording import RecordingFile
from tests.corpus.scoring import corpus_recordings, scored_pairs
from tests.corpus.targets import TARGETS, Scored, Target, score_one
from trunkline.analysis_report import report_page, truth_beside

EXAMPLE = "python -m tests.corpus.failures --out /tmp/failures --set TrunkyXL --worst 10"


@dataclass(frozen=True)
class Failure:
    """One recording that misses one figure."""

    target: Target
    recording: str
    value: float
    summary: str
    """What was counted and what is true, as far as the truth counts."""


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, epilog=f"Example: {EXAMPLE}")
    parser.add_argument("--out", type=Path, required=True, help="folder of the pages")
    parser.add_argument("--results", type=Path, help="results that are there already")
    parser.add_argument("--set", dest="sets", action="append", help="only this set (repeatable)")
    parser.add_argument("--worst", type=int, default=5, help="recordings a figure, at most")
    parser.add_argument("--jobs", type=int, default=2)
    chosen = parser.parse_args(arguments)
    recordings = corpus_recordings()
    scorer, pairs = scored_pairs(recordings, chosen.results, chosen.jobs)
    items = [score_one(scorer, truth, result) for truth, result in pairs]
    if chosen.sets:
        items = [item for item in items if item.truth["set"] in chosen.sets]
    found = [failure for target in TARGETS for failure in failures(target, items, chosen.worst)]
    chosen.out.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names := sorted({failure.recording for failure in found})):
        print(f"{i + 1} of {len(names)}: {name}", file=sys.stderr)
        source = recordings / f"{name}.parquet"
        page = report_page(
            analyse(RecordingFile(source)), RecordingFile(source), truth_beside(source)
        )
        target_page(chosen.out, name).write_text(page)
    (chosen.out / "index.html").write_text(index(found))
    print(f"{chosen.out / 'index.html'} lists {len(found)} failures in {len(names)} recordings")
    return 0


def failures(target: Target, items: Sequence[Scored], worst: int) -> Iterator[Failure]:
    """The recordings of the target's set that miss it, worst first, at most `worst`."""
    missed = []
    for item in items:
        value = target.measure([item]) if item.truth["set"] == target.set else None
        if value is not None and not target.reached(value):
            missed.append((value, item))
    missed.sort(key=lambda pair: pair[0], reverse=not target.at_least)
    for value, item in missed[:worst]:
        name = f"{target.set}/{item.truth['recording_id']}"
        yield Failure(target, name, value, _summary(item))


def _summary(item: Scored) -> str:
    true: dict[str, Any] = item.truth.get("movement_counts") or {}
    found = ", ".join(f"{n} {kind}" for kind, n in sorted(item.counts.items())) or "no movement"
    wanted = ", ".join(f"{n} {kind}" for kind, n in sorted(true.items()))
    return f"found {found}" + (f"; true {wanted}" if wanted else "")


def target_page(out: Path, recording: str) -> Path:
    return out / f"{recording.replace('/', '_')}.html"


def index(found: Sequence[Failure]) -> str:
    """The page that leads to the others."""
    rows = "".join(
        f"<tr><td>{html.escape(f.target.set)}</td><td>{html.escape(f.target.name)}</td>"
        f"<td>{f.value:.{f.target.digits}f}</td>"
        f'<td><a href="{html.escape(target_page(Path(), f.recording).name)}">'
        f"{html.escape(f.recording)}</a></td><td>{html.escape(f.summary)}</td></tr>"
        for f in found
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Failures</title></head>'
        '<body style="font-family:sans-serif"><h1>Recordings that miss a figure</h1>'
        "<table border=1 cellpadding=4><tr><th>Set<th>Figure<th>Here<th>Recording<th>Counts</tr>"
        f"{rows}</table></body></html>"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
