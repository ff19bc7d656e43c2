"""Hours of many virtual sensors through all processes, faster than real time: is memory flat?

    python -m tests.chaos.soak [--hours 1] [--sensors 20] [--speed 10]

Prints memory and open files of every process over the run and what the store holds of every sensor;
exit code 1 when memory or files grow or anything is missing without a record.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.chaos.air import SensorPlan
from tests.chaos.stack import Stack, stack
from tests.chaos.verdict import judge
from tests.servers import mosquitto

RATE_HZ = 50.0
PER_WEARER = 5
EVERY_S = 2.0
CONNECT_S = 120.0
"""At the usual speed: one adapter connects one sensor after the other."""
LAG = 4.0
"""How much longer than the clock says it may take."""
GROWTH_MB = 8.0
"""From the first quarter of the run to its last: below what Python's allocator moves by itself."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One process at one moment."""

    rss_mb: float
    open_fds: int


def plans(sensors: int) -> dict[str, dict[str, SensorPlan]]:
    """Sensors at 50 Hz, five to a wearer."""
    wearers: dict[str, dict[str, SensorPlan]] = {}
    for number in range(sensors):
        plan = SensorPlan("polar_h10", RATE_HZ, f"{number + 1:08d}", drift_ppm=10.0 * number - 100)
        wearers.setdefault(f"p-{number // PER_WEARER:03d}", {})[f"s{number % PER_WEARER}"] = plan
    return wearers


def watch(made: Stack, sensors: int, samples: int, limit_s: float) -> dict[str, list[Reading]]:
    """Readings of agent, ingest and worker until every sensor has sent so many samples: a machine
    that is too slow for the speed lags behind the clock."""
    processes = {name: psutil.Process(made.pid(name)) for name in ("agent", "ingest", "worker")}
    found: dict[str, list[Reading]] = {name: [] for name in processes}
    end_s, lagging = time.monotonic() + limit_s, set(range(sensors))
    while lagging and time.monotonic() < end_s:
        for name, process in processes.items():
            rss_mb = process.memory_info().rss / 2**20
            found[name].append(Reading(rss_mb, process.num_fds()))
        lagging -= {number for number in lagging if made.air.ask("count", number) >= samples}
        time.sleep(EVERY_S)
    if lagging:
        print(f"sensors {lagging} did not send {samples} samples in {limit_s:.0f} s")
    return found


def all_stream(made: Stack, sensors: int, until_s: float) -> set[int]:
    """Wait until every sensor has been connected; those that were not until then."""
    begun_s, missing = time.monotonic(), set(range(sensors))
    while missing and time.monotonic() < until_s:
        time.sleep(EVERY_S)
        missing -= {number for number in missing if len(made.air.truth(number).sent)}
    print(
        f"{sensors - len(missing)} connected after {time.monotonic() - begun_s:.0f} s", flush=True
    )
    return missing


def growth(readings: list[Reading]) -> tuple[float, int]:
    """(MB, descriptors) by which the last quarter is above the second."""
    quarter = max(1, len(readings) // 4)
    early, late = readings[quarter : 2 * quarter], readings[-quarter:]
    rss_mb = min(r.rss_mb for r in late) - max(r.rss_mb for r in early)
    return rss_mb, min(r.open_fds for r in late) - max(r.open_fds for r in early)


def soak(folder: Path, binary: Path, hours: float, sensors: int, speed: float) -> list[str]:
    """Run; what is wrong."""
    wearers = plans(sensors)
    wrong: list[str] = []
    with (
        mosquitto(binary, folder / "broker", tuple(wearers)) as broker,
        stack(folder, broker, None, wearers, speed, hours + 0.5, CONNECT_S) as made,
    ):
        begun_s = time.monotonic()
        for name in ("ingest", "worker", "agent"):
            made.start(name)
        if missing := all_stream(made, sensors, begun_s + CONNECT_S):
            return [f"sensors {missing} were not connected in time", made.said("agent")]
        time.sleep(max(0.0, begun_s + CONNECT_S - time.monotonic()))
        began_s = time.monotonic()
        try:
            wanted = round(hours * 3600 * RATE_HZ)
            found = watch(made, sensors, wanted, LAG * hours * 3600 / speed)
        except psutil.Error as error:
            lines = [f"--- {name}\n{made.said(name)}" for name in ("agent", "ingest", "worker")]
            return [f"a process ended: {error}", *lines]
        took_s = time.monotonic() - began_s
        made.stop("agent", 300)
        made.stop("ingest")
        made.stop("worker")
        for name, readings in found.items():
            grown_mb, grown_fds = growth(readings)
            rss = sorted(r.rss_mb for r in readings)
            print(
                f"{name}: {rss[len(rss) // 2]:.0f} MB (largest {rss[-1]:.0f}), grown by "
                f"{grown_mb:+.1f} MB and {grown_fds:+d} of {readings[-1].open_fds} open files"
            )
            if grown_mb > GROWTH_MB or grown_fds > 0:
                wrong.append(f"{name} grows: {grown_mb:.1f} MB, {grown_fds} files")
        store, stored, gaps = made.store(), 0, 0
        names = [(w, s) for w, each in wearers.items() for s in each]
        for number, (wearer, sensor) in enumerate(names):
            verdict = judge(store, wearer, sensor, made.air.truth(number), RATE_HZ)
            stored, gaps = stored + verdict.stored, gaps + len(verdict.gaps)
            if verdict.complaint:
                wrong.append(f"{wearer}/{sensor}: {verdict.complaint}")
        store.close()
        print(
            f"{hours:g} h of {sensors} sensors at {RATE_HZ:g} Hz in {took_s:.0f} s: {stored} "
            f"samples stored once and in order, {gaps} gaps"
        )
    return wrong


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--hours", type=float, default=1.0)
    options.add_argument("--sensors", type=int, default=20)
    options.add_argument("--speed", type=float, default=10.0)
    chosen = options.parse_args()
    binary = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if binary is None:
        print("mosquitto is not installed: apt install mosquitto", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        wrong = soak(Path(folder), Path(binary), chosen.hours, chosen.sensors, chosen.speed)
    print("\n".join(wrong) if wrong else "memory and files are flat")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
