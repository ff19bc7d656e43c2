"""MQTT to LSL with the real library: an inlet gets every sample at its time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pylsl
import pytest

from tests.analytics.ingest.agent_side import agent
from tests.analytics.store.samples import batch
from tests.servers import PATIENCE_S, Mosquitto, mosquitto, stop
from trunkline import lsl_bridge
from wire.batch import Flag
from wire.codec import encode

CONFIG = """[multicast]
ResolveScope = machine
AddressesOverride = {127.0.0.1}
[lab]
KnownPeers = {127.0.0.1}
"""


@pytest.fixture
def server(mosquitto_bin: Path, tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(mosquitto_bin, tmp_path / "mosquitto", ("w1",)) as running:
        yield running


def test_a_stop_between_two_clocks_does_not_shift_the_samples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now_s, stops_s = 1000.0, iter([0.0, 0.3, 0.0, 0.0, 0.2, 0.0])

    def passing() -> float:
        nonlocal now_s
        now_s += 1e-6 + next(stops_s, 0.0)
        return now_s

    monkeypatch.setattr(lsl_bridge.time, "time", lambda: passing() + 1.7e9)
    monkeypatch.setattr(lsl_bridge, "local_clock", passing)
    assert lsl_bridge.ahead_s() == pytest.approx(-1.7e9, abs=1e-3)


@pytest.mark.mosquitto
def test_an_inlet_gets_the_samples_at_their_times(
    server: Mosquitto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lsl.cfg").write_text(CONFIG)
    monkeypatch.setenv("LSLAPICFG", str(tmp_path / "lsl.cfg"))
    words = ["lsl", "--broker", f"127.0.0.1:{server.port}", "--user", "server"]
    words += ["--password-file", str(server.password_file("server"))]
    process = subprocess.Popen(
        [sys.executable, "-m", "trunkline", *words], stderr=subprocess.PIPE, text=True
    )
    begun_ns = time.time_ns()
    try:
        with agent(server) as w1:
            found: list[pylsl.StreamInfo] = []
            deadline = time.monotonic() + PATIENCE_S
            seq = 0
            while not found and time.monotonic() < deadline:  # until the bridge has come up
                w1.publish("back/imu", encode(replace(batch(0, seq=seq), t0_ns=begun_ns)))
                seq += 1
                found = pylsl.resolve_byprop("source_id", "trunkline/w1/back/accel+gyro", timeout=1)
            assert found, process.poll()
            inlet = pylsl.StreamInlet(found[0])
            inlet.open_stream(timeout=PATIENCE_S)
            info = inlet.info(timeout=PATIENCE_S)
            assert (info.name(), info.type()) == ("trunkline w1 back", "IMU")
            label = info.desc().child("channels").child("channel")
            assert (label.child_value("label"), label.child_value("unit")) == ("accel_x", "m/s2")
            sent = replace(batch(50, seq=seq), t0_ns=begun_ns + 10**9)
            back = replace(batch(100, seq=seq + 1), t0_ns=1, flags=Flag.BACKFILL)
            w1.publish("back/imu", encode(back))
            w1.publish("back/imu", b"no batch")
            w1.publish("back/imu", encode(sent))
            samples: list[list[float]] = []
            times: list[float] = []
            deadline = time.monotonic() + PATIENCE_S
            while len(samples) < sent.n and time.monotonic() < deadline:
                some, stamps = inlet.pull_chunk(timeout=1.0)
                samples, times = [*samples, *some], [*times, *stamps]
            wanted = np.hstack([sent.channels["accel"].si(), sent.channels["gyro"].si()])
            assert np.array_equal(np.array(samples, np.float32)[-sent.n :], wanted)
            utc = np.array(times[-sent.n :]) - lsl_bridge.ahead_s()
            assert np.abs(utc - sent.t_ns / 1e9).max() < 0.05
    finally:
        stop(process)
        process.communicate()
