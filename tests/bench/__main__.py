"""Run every measurement, print budget against measured, exit 1 when one is broken."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

from tests.bench.budget import Budget

AREAS = sorted(path.stem for path in Path(__file__).parent.glob("bench_*.py"))


def row(budget: Budget) -> str:
    sign = "<=" if budget.at_most else ">="
    verdict = "kept" if budget.kept else "BROKEN"
    return (
        f"{budget.name:<52} {budget.measured:>11.3g} {sign} {budget.limit:>8.3g} "
        f"{budget.unit:<14} {budget.ratio:>6.2f}  {verdict:<6} {budget.note}"
    )


def main(wanted: list[str]) -> int:
    print(f"{'budget':<52} {'measured':>11}    {'limit':>8} {'unit':<14} {'ratio':>6}")
    broken = 0
    for area in AREAS:
        if wanted and area.removeprefix("bench_") not in wanted:
            continue
        for budget in importlib.import_module(f"tests.bench.{area}").measure():
            print(row(budget), flush=True)
            broken += not budget.kept
    print(f"{broken} broken" if broken else "all kept")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
