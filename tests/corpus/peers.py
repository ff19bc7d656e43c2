"""`python -m tests.corpus.peers`: other packages measured again, on the same people as ours.

Makes an environment of its own (or takes one with --env), installs skdh and mobgap into it, lets
them answer on HAPT and Voisard, scores that like our results and writes tests/corpus/peers.json,
from which `make accuracy` takes the column "Others".
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from analytics.offline import context_of
from analytics.recording import read_recording
from tests.conftest import SHARED
from tests.corpus.accuracy import PEERS_FILE
from tests.corpus.scoring import corpus_recordings, load_scorer
from tests.corpus.targets import TARGETS, score_one

PACKAGES = ("scikit-digital-health", "mobgap")
SETS = ("HAPT", "Voisard")
FIGURES = {
    ("HAPT", "walking incl. stairs, seconds, F1"): ("mobgap",),
    ("HAPT", "sit_to_stand, F1"): ("skdh", "skdh_moving"),
    ("Voisard", "steps, count error in %"): ("mobgap",),
    ("Voisard", "steps, times within 0.15 s, F1"): ("mobgap",),
}
"""Which package is asked for which figure."""
SHOWN = {
    "mobgap": "mobgap {mobgap}",
    "skdh": "skdh {scikit-digital-health}",
    "skdh_moving": "skdh {scikit-digital-health} without its stillness constraint",
}


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--env", type=Path, help="an environment that has the packages already")
    parser.add_argument("--date", default=datetime.now(UTC).date().isoformat())
    chosen = parser.parse_args(arguments)
    recordings = corpus_recordings()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = (chosen.env or installed(folder / "env")) / "bin" / "python"
        lay_out(recordings, folder / "data")
        runner = Path(__file__).with_name("peers_run.py")
        answer = subprocess.run(
            [python, runner, folder / "data"], check=True, stdout=subprocess.PIPE, text=True
        )
        about = json.loads(answer.stdout.splitlines()[-1])
        figures = scored(recordings, folder / "data", about["versions"])
    PEERS_FILE.write_text(
        json.dumps({"date": chosen.date, **about, "figures": figures}, indent=1) + "\n"
    )
    print(PEERS_FILE.read_text())
    return 0


def installed(folder: Path) -> Path:
    """A new environment with the packages; takes minutes."""
    print(f"installing {' and '.join(PACKAGES)}", file=sys.stderr)
    venv.create(folder, with_pip=True)
    subprocess.run([folder / "bin" / "pip", "install", "--quiet", *PACKAGES], check=True)
    return folder


def lay_out(recordings: Path, folder: Path) -> None:
    """The recordings on a uniform grid, as both packages want them."""
    for source in sorted(path for name in SETS for path in (recordings / name).glob("*.parquet")):
        recording = read_recording(source)
        up = context_of(recording).calibration.rotation[2]
        rate_hz = round(recording.rate_hz)
        t_s = np.arange(recording.t_s[0], recording.t_s[-1], 1.0 / rate_hz)
        accel = np.stack(
            [np.interp(t_s, recording.t_s, axis) for axis in recording.accel.T], axis=1
        )
        target = folder / source.parent.name / f"{source.stem}.npz"
        target.parent.mkdir(parents=True, exist_ok=True)
        np.savez(
            target,
            time_s=t_s - t_s[0],
            accel=accel,
            vertical=np.einsum("ij,j->i", accel, up),
            rate_hz=rate_hz,
        )


def scored(recordings: Path, folder: Path, versions: dict[str, str]) -> list[dict[str, Any]]:
    """{set, name, package, value} of every figure."""
    scorer = load_scorer(SHARED / "corpus" / "score.py")
    targets = {(target.set, target.name): target for target in TARGETS}
    out = []
    for (name, figure), packages in FIGURES.items():
        for package in packages:
            pairs = scorer.load_pairs(str(recordings), str(folder / package))
            items = [score_one(scorer, t, r) for t, r in pairs if t["set"] == name]
            value = targets[name, figure].measure(items)
            shown = SHOWN[package].format(**versions)
            out.append({"set": name, "name": figure, "package": shown, "value": value})
    return out


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
