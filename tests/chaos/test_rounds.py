"""kill -9 of everything at random moments: stored once, in order, or on record as a gap.

Four virtual sensors of two wearers play on, whoever dies. TRUNKLINE_CHAOS_SEED repeats a run.
"""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.chaos.air import SensorPlan
from tests.chaos.stack import Stack, rounds, stack
from tests.chaos.verdict import judge
from tests.servers import influxd, mosquitto

pytestmark = [pytest.mark.mosquitto, pytest.mark.influxdb]

SPEED = 2.0
PATIENCE_S = 120.0
SEED = int(os.environ.get("TRUNKLINE_CHAOS_SEED", "5"))
WEARERS = {
    "p-001": {
        "trunk": SensorPlan("movesense", 52.0, "00000001", drift_ppm=40.0),
        "thigh": SensorPlan("polar_h10", 50.0, "00000002", drift_ppm=-30.0),
    },
    "p-002": {
        "trunk": SensorPlan("movesense", 52.0, "00000003"),
        "thigh": SensorPlan("polar_h10", 50.0, "00000004", drift_ppm=100.0),
    },
}


@pytest.mark.parametrize(("kind", "count"), [("embedded", 30), ("influx", 20)])
def test_kill_9_of_anything_loses_nothing(
    tmp_path: Path, mosquitto_bin: Path, influxd_bin: Path, kind: str, count: int
) -> None:
    with (
        mosquitto(mosquitto_bin, tmp_path / "broker", tuple(WEARERS)) as broker,
        influxd(influxd_bin, tmp_path / "influx") if kind == "influx" else nullcontext() as influx,
        stack(tmp_path, broker, influx, WEARERS, SPEED) as made,
    ):
        _play(made, count)


def _play(made: Stack, count: int) -> None:
    for name in ("ingest", "worker", "agent"):
        made.start(name)
    try:
        rounds(made, count, SEED)
        _all_stream_again(made)
        made.stop("agent")
        made.stop("ingest")
        made.stop("worker")
        complaints = _judge(made)
    except AssertionError as error:
        raise AssertionError(_story(made)) from error
    assert not complaints, "\n".join([*complaints, _story(made)])


def _all_stream_again(made: Stack) -> None:
    """A sensor that the agent has not found again cannot be told to stop."""
    count = sum(len(sensors) for sensors in WEARERS.values())
    before = [len(made.air.truth(number).sent) for number in range(count)]
    end_s = time.monotonic() + PATIENCE_S
    for number in range(count):
        while len(made.air.truth(number).sent) <= before[number]:
            assert time.monotonic() < end_s, f"sensor {number} was not connected again"
            time.sleep(0.2)
    time.sleep(1.0)


def _judge(made: Stack) -> list[str]:
    store, complaints = made.store(), []
    plans = [(w, s, p) for w, sensors in WEARERS.items() for s, p in sensors.items()]
    for number, (wearer, sensor, plan) in enumerate(plans):
        verdict = judge(store, wearer, sensor, made.air.truth(number), plan.rate_hz)
        restarts = sum(gap.after_restart for gap in verdict.gaps)
        print(
            f"{wearer}/{sensor}: {verdict.stored} of {verdict.sent} sent samples stored, "
            f"{verdict.sent_and_missing} lost with a killed agent, {len(verdict.gaps)} gaps "
            f"({restarts} at a restart), tail {verdict.tail}"
        )
        if verdict.complaint:
            complaints.append(f"{wearer}/{sensor}: {verdict.complaint}")
        if made.air.truth(number).is_streaming:
            complaints.append(f"{wearer}/{sensor}: was not told to stop")
    store.close()
    clinic = made.clinic()
    complaints += [f"dead letter: {letter.reason}" for letter in clinic.dead_letters()]
    for wearer, sensors in WEARERS.items():
        known = {about.sensor for about in clinic.sensors(wearer) if about.birth is not None}
        complaints += [f"{wearer}/{sensor}: has no birth" for sensor in sensors.keys() - known]
    clinic.close()
    return complaints


def _story(made: Stack) -> str:
    said = {name: made.said(name) for name in ("agent", "ingest", "worker")}
    return "\n".join(
        [f"seed {SEED}", *made.log, *(f"--- {name}\n{text}" for name, text in said.items())]
    )
