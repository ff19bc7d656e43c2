"""The broker was away for eight hours: how fast the outbox empties, and that live data do not wait.

    python -m tests.chaos.test_catch_up [--sensors 4] [--hours 8]

prints the figure of docs/reliability.md. The test does the same with a part of it.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from sensor_agent.outbox import Outbox
from sensor_agent.uplink import Uplink
from tests.analytics.ingest.agent_side import ingest, server_account
from tests.chaos.test_faults import account
from tests.sensor_agent.broker_side import until
from tests.servers import Mosquitto, mosquitto
from wire.batch import Batch, Channel
from wire.ids import new_session

pytestmark = pytest.mark.mosquitto

SECOND_NS = 1_000_000_000
T0_NS = 1_800_000_000 * SECOND_NS


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What was seen while the backlog went out."""

    ratio: float
    """Seconds of data delivered in a second, per sensor."""
    live_s: float
    """Longest time from a fresh batch on disk until it was in the store, meanwhile."""
    batches: int


def one_second(session: str, seq: int) -> Batch:
    """50 samples of six axes."""
    raw = np.full((50, 3), seq % 30_000, np.int16)
    return Batch(
        session=session,
        seq=seq,
        floor_seq=0,
        t0_ns=T0_NS + seq * SECOND_NS,
        dt_ns=20_000_000,
        n=50,
        channels={"accel": Channel(raw, 0.0024), "gyro": Channel(raw, 0.0012)},
        rx_ns=T0_NS,
        clock_err_ns=0,
    )


async def catch_up(folder: Path, broker: Mosquitto, sensors: int, seconds: int) -> CaughtUp:
    """Fill an outbox, deliver it, and feed every sensor a live batch a second meanwhile."""
    clinic = Clinic(folder / "data" / "clinic.db")
    clinic.add_wearer("w1", "UTC")
    store = EmbeddedStore(folder / "data" / "samples.db")
    outbox, run = Outbox(folder / "outbox.db", "w1"), new_session()
    sessions = {f"s{k}": new_session(after=run) for k in range(sensors)}
    for first in range(0, seconds, 100):
        chunk = range(first, min(seconds, first + 100))
        outbox.append([(s, one_second(sessions[s], q)) for q in chunk for s in sessions], T0_NS)
    uplink = Uplink(account(broker), outbox, run, time.time_ns, sensors)
    with ingest(server_account(broker), store, clinic, folder / "data"):
        task = asyncio.create_task(uplink.run())
        await until(lambda: uplink._greeted)  # what waits until then is the backlog
        began_s, seq, slowest_s = time.monotonic(), seconds, 0.0
        while outbox.batches_from(next(iter(sessions.values())), 0, 1):
            if (outbox.batches_from(next(iter(sessions.values())), 0, 1)[0].seq or 0) >= seconds:
                break
            fresh = [(s, one_second(sessions[s], seq)) for s in sessions]
            await asyncio.to_thread(outbox.append, fresh, T0_NS)
            uplink.appended()
            sent_s = time.monotonic()
            end_ns = T0_NS + seq * SECOND_NS
            while not store.read_batches("w1", "s0", end_ns, end_ns + 1):
                await asyncio.sleep(0.05)
            slowest_s = max(slowest_s, time.monotonic() - sent_s)
            seq += 1
            await asyncio.sleep(max(0.0, 1.0 - (time.monotonic() - sent_s)))
        took_s = time.monotonic() - began_s
        uplink.close()
        await task
    for sensor in sessions:
        held = [b.seq for b in store.read_batches("w1", sensor, 0, 2**62)]
        assert held[:seconds] == list(range(seconds))
    outbox.close()
    store.close()
    clinic.close()
    return CaughtUp(seconds / took_s, slowest_s, seconds * sensors)


@pytest.fixture
def broker(mosquitto_bin: Path, tmp_path: Path):
    with mosquitto(mosquitto_bin, tmp_path / "broker", ("w1",)) as running:
        yield running


async def test_live_data_do_not_wait_for_the_backlog(broker: Mosquitto, tmp_path: Path) -> None:
    seen = await catch_up(tmp_path, broker, sensors=3, seconds=300)
    # a live batch behind the backlog would wait for all of it
    assert seen.live_s < 300 / seen.ratio / 2
    assert seen.batches == 900


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sensors", type=int, default=4)
    options.add_argument("--hours", type=float, default=8.0)
    chosen = options.parse_args()
    binary = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    assert binary, "mosquitto is not installed: apt install mosquitto"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with mosquitto(Path(binary), folder / "broker", ("w1",)) as running:
            seconds = round(chosen.hours * 3600)
            seen = asyncio.run(catch_up(folder, running, chosen.sensors, seconds))
    print(
        f"{chosen.hours:g} h of {chosen.sensors} sensors, {seen.batches} batches: "
        f"{seen.ratio:.1f} x real time; a live batch was stored within {seen.live_s:.2f} s"
    )


if __name__ == "__main__":
    main()
