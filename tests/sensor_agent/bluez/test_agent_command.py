"""`trunkline agent` as a user runs it, on an emulated bluetoothd and a real broker."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from sensor_agent.virtual.encoders.base import Encoder
from sensor_agent.virtual.encoders.movesense import MovesenseEncoder
from tests.sensor_agent.bluez.emulated import EmulatedBluez
from tests.sensor_agent.broker_side import Ingest, until
from tests.servers import PATIENCE_S, mosquitto
from wire.batch import Batch
from wire.messages import Birth
from wire.topics import Kind

SPEAKER, STRANGER = "Speaker 5", "Polar H10 12345678"


async def _lines(stream: asyncio.StreamReader, found: list[str]) -> None:
    while line := await stream.readline():
        found.append(line.decode())


async def _play(bluez: EmulatedBluez, encoder: Encoder, device: int = 0) -> None:
    """Packets of four samples at 52 Hz while the sensor has been told to stream; along x the
    number of the device in m/s^2."""
    number = 0
    while True:
        if encoder.stream is not None:
            stamps = ((np.arange(4) + 4 * number) * 1e9 / 52).astype(np.int64)
            accel = np.tile([float(device), 0.0, 0.0], (4, 1))
            frame = encoder.encode(stamps, accel, np.zeros((4, 3)))
            for push in frame.pushes:
                bluez.notify(push, device)
            number += 1
        await asyncio.sleep(4 / 52)


@pytest.mark.mosquitto
async def test_auto_takes_the_only_match_and_says_when_there_is_none_or_several(
    bus: None, tmp_path: Path, mosquitto_bin: Path
) -> None:
    bluez = EmulatedBluez(MovesenseEncoder("203330001"))
    bluez.is_near = False
    bluez.others = [SPEAKER]
    await bluez.start()
    playing = asyncio.create_task(_play(bluez, bluez.encoder))
    said: list[str] = []
    with mosquitto(mosquitto_bin, tmp_path / "broker", ("w1",)) as broker, Ingest(broker) as ingest:
        agent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "trunkline", "agent"),
            *("--wearer", "w1", "--sensor", "auto", "--placement", "T12"),
            *("--broker", f"127.0.0.1:{broker.port}", "--outbox", str(tmp_path / "outbox.db")),
            *("--password-file", str(broker.password_file("w1"))),
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert agent.stderr is not None
        reading = asyncio.create_task(_lines(agent.stderr, said))
        try:
            await until(lambda: "the sensor is not in range; wear or" in "".join(said), PATIENCE_S)
            bluez.is_near, bluez.others = True, [SPEAKER, STRANGER]
            text = "2 sensors in range fit; name the one that is meant"
            await until(lambda: text in "".join(said), PATIENCE_S)
            assert "Connect" not in bluez.calls
            bluez.forget(STRANGER)
            await until(lambda: len(ingest.batches("trunk")) >= 2, PATIENCE_S)
        finally:
            agent.send_signal(signal.SIGTERM)
            assert agent.stdout is not None
            out = await agent.stdout.read()
            await asyncio.gather(reading, agent.wait())
            playing.cancel()
        assert agent.returncode == 0, said
        assert b"samples taken" in out
        assert bluez.encoder.stream is None
        birth = Birth.load(ingest.of(Kind.BIRTH)[0])
    await bluez.stop()
    assert (birth.profile, birth.placement) == ("movesense", "T12")
    assert "".join(said).count("is not in range") == 1


@pytest.mark.mosquitto
async def test_two_wearers_of_a_file_each_in_their_own_name(
    bus: None, tmp_path: Path, mosquitto_bin: Path
) -> None:
    encoders = MovesenseEncoder("203330001"), MovesenseEncoder("203330002")
    bluez = EmulatedBluez(encoders[0], more=encoders[1:])
    await bluez.start()
    playing = [asyncio.create_task(_play(bluez, one, n)) for n, one in enumerate(encoders)]
    wearers, said = ("w1", "w2"), list[str]()
    with mosquitto(mosquitto_bin, tmp_path / "broker", wearers) as broker, Ingest(broker) as ingest:
        sensors = tmp_path / "sensors.toml"
        sensors.write_text(
            "".join(
                f'''
[[sensor]]
wearer = "{wearer}"
placement = "T12"
profile = "movesense"
device = "20333000{number + 1}"
rate_hz = 52
[wearer.{wearer}]
password_file = "{broker.password_file(wearer)}"
outbox = "{wearer}.db"
'''
                for number, wearer in enumerate(wearers)
            )
        )
        agent = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "trunkline", "agent", "--sensors", str(sensors)),
            *("--broker", f"127.0.0.1:{broker.port}"),
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert agent.stderr is not None
        reading = asyncio.create_task(_lines(agent.stderr, said))

        def batches(wearer: str) -> list[Batch]:
            return [b for topic, b in ingest.held.copy().values() if topic.wearer == wearer]

        try:
            await until(lambda: all(len(batches(w)) >= 3 for w in wearers), PATIENCE_S)
        finally:
            agent.send_signal(signal.SIGTERM)
            assert agent.stdout is not None
            out = (await agent.stdout.read()).decode()
            await asyncio.gather(reading, agent.wait())
            for task in playing:
                task.cancel()
        assert agent.returncode == 0, said
        for number, wearer in enumerate(wearers):
            taken = [batch.channels["accel"].si()[:, 0] for batch in batches(wearer)]
            np.testing.assert_allclose(np.concatenate(taken), number, atol=0.01)
            samples = sum(len(one) for one in taken)
            assert f"{wearer}: {samples} samples taken, " in out
            assert encoders[number].stream is None
            assert (tmp_path / f"{wearer}.db").exists()
    await bluez.stop()
