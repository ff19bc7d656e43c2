"""One wearer, every sensor: whatever family carried the samples, the analysis says the same.

All sensors play the same recording at the same time in one virtual world. What each decoder gives
is analysed like a recording and compared with the analysis of what was played.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from analytics.detect.findings import Findings, Movement, MovementKind, Posture
from analytics.offline import context_of
from analytics.pipeline import Pipeline
from analytics.recording import Recording
from firmware_profiles.base import Quantity, SampleBlock, StreamSettings
from firmware_profiles.registry import PROFILES, set_user_profiles
from firmware_profiles.toml_profile import load_profile
from sensor_agent.virtual.motion import Motion
from sensor_agent.virtual.world import VirtualWorld
from tests.patient_clock import PatientClock
from tests.servers import PATIENCE_S
from trunkline.synthetic.wearer import SyntheticDay, simulate

DURATION_S = 190.0
SPEED = 25.0
AGREEMENT = 0.95
"""Share of seconds in which posture, and while sitting slouch, must be the same. Measured: posture
1.0 in all but polar_h10 (0.994, no gyroscope), slouch 0.98 (polar_h10) to 1.0; each run says its
own (pytest -rP)."""
MOVEMENT_S = 1.0
"""How far the middle of a movement may lie from that in the recording."""
TRANSITIONS = {
    MovementKind.SIT_TO_STAND,
    MovementKind.STAND_TO_SIT,
    MovementKind.SIT_TO_LIE,
    MovementKind.LIE_TO_SIT,
    MovementKind.STAND_TO_LIE,
    MovementKind.LIE_TO_STAND,
    MovementKind.BED_ROLL,
}
DOCS = Path(__file__).parents[3] / "docs" / "add-your-sensor.md"
(TOML,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
NAMES = [*PROFILES, load_profile(TOML).info.id]
NO_GYROSCOPE = {"polar_h10"}
"""Their movements are not compared: without rotation fewer can be told."""


@dataclass(frozen=True)
class Analysed:
    """Findings by the second of the recording, row 0 being the first second."""

    posture: NDArray[np.int8]
    slouched: NDArray[np.int8]
    movements: list[Movement]


def analysed(recording: Recording) -> Analysed:
    pipeline = Pipeline(context_of(recording))
    pipeline.push(recording.t_ns, recording.accel, recording.gyro)
    found = pipeline.finish()
    assert isinstance(found, Findings)
    seconds = int(DURATION_S)
    posture = np.zeros(seconds, np.int8)
    slouched = np.full(seconds, -1, np.int8)
    for part in found.timelines:
        rows = part.part(0, seconds - part.first_s)
        posture[part.first_s : part.first_s + len(rows)] = rows.posture
        slouched[part.first_s : part.first_s + len(rows)] = rows.slouched
    movements = [m for m in found.movements if m.kind in TRANSITIONS]
    return Analysed(posture, slouched, movements)


def recording_of(day: SyntheticDay) -> Recording:
    meta = day.metadata
    low, high = meta["upright_reference"]
    return Recording(
        recording_id=meta["recording_id"],
        t_s=day.t_s,
        accel=day.accel.astype(float),
        gyro=day.gyro.astype(float),
        rate_hz=meta["rate_hz"],
        placement=meta["placement"],
        axes=meta["axes"],
        upright_reference=(low, high),
        reference_posture=meta["reference_posture"],
    )


def times_ns(blocks: list[SampleBlock], sensor: Any, rate_hz: float) -> NDArray[np.float64]:
    """(n,) ns since the recording's first sample, by device stamps, or by count without them."""
    if blocks[0].device_t0_ns is None:
        assert len(blocks) == len(sensor.sent), "counting needs every packet"
        sent_ns = sensor.sent[0].device_t_ns[0] - played_from_ns(sensor)
        counted: NDArray[np.float64] = (
            sent_ns + np.arange(sum(block.n for block in blocks)) * 1e9 / rate_hz
        )
        return counted
    return np.concatenate(
        [
            float((block.device_t0_ns or 0) - played_from_ns(sensor))
            + np.arange(block.n) * block.device_dt_ns
            for block in blocks
        ]
    )


def played_from_ns(sensor: Any) -> int:
    """Device time of the recording's first sample."""
    return int(sensor._playback._device_time(np.array([sensor.origin_ns]))[0])


def received(played: Recording, link: Any, sensor: Any, told: StreamSettings) -> Recording:
    """What came out of the decoder, as a recording with the played one's metadata."""
    blocks: list[SampleBlock] = link.blocks
    assert sum(block.lost_before for block in blocks) == 0
    assert not any(block.restarted for block in blocks)
    t_s = times_ns(blocks, sensor, told.rate_hz) * 1e-9
    assert t_s[0] < 1.0
    assert t_s[-1] > DURATION_S - 1.0
    rows = {
        quantity: np.concatenate([block.values[quantity] for block in blocks]).astype(float)
        for quantity in (Quantity.ACCEL, Quantity.GYRO)
        if quantity in told.quantities
    }
    return replace(
        played,
        t_s=t_s,
        accel=rows[Quantity.ACCEL],
        gyro=rows.get(Quantity.GYRO),
        rate_hz=told.rate_hz,
    )


class HeldClock(PatientClock):
    """Stands still until `gone`: slow connecting costs no sensor the beginning of the recording."""

    def __init__(self, speed: float) -> None:
        super().__init__(speed)
        self.gone = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        await self.gone.wait()
        await super().sleep(seconds)


async def play(link: Any, sensor: Any) -> None:
    """Receive the recording to its end, then stop."""
    await asyncio.wait_for(sensor.finished.wait(), 5 * PATIENCE_S)
    seen = -1
    while seen != len(link.blocks):  # streams that are put together end a little later
        seen = len(link.blocks)
        await asyncio.sleep(0.2)
    await link.stop()


async def play_all(played: Recording, link_to: Any) -> dict[str, Recording]:
    """What came through each sensor, all playing at once. Their clocks are left as they are, so
    that stamps can be compared with when the recording began."""
    motion = Motion(played.rate_hz, played.accel, played.gyro)
    clock = HeldClock(SPEED)
    async with VirtualWorld(clock, supervision_timeout_s=5.0) as world:
        sensors = [await world.add_sensor(name, motion) for name in NAMES]
        links = [link_to(world, sensor, name) for name, sensor in zip(NAMES, sensors, strict=True)]
        told = [(await link.start(rate_hz=50.0)).settings for link in links]
        clock.gone.set()
        await asyncio.gather(*map(play, links, sensors))
    came = map(received, [played] * len(NAMES), links, sensors, told)
    return dict(zip(NAMES, came, strict=True))


@dataclass(frozen=True)
class Compared:
    """The analysis of the recording, and of what came through each sensor."""

    truth: Analysed
    found: Mapping[str, Analysed]


@pytest.fixture(scope="module")
def compared(link_to: Any) -> Iterator[Compared]:
    played = recording_of(simulate(DURATION_S, 50.0, "T12", seed=5, story="demo"))
    set_user_profiles([load_profile(TOML)])
    came = asyncio.run(play_all(played, link_to))
    yield Compared(analysed(played), {name: analysed(one) for name, one in came.items()})
    set_user_profiles(())


def settled(posture: NDArray[np.int8]) -> NDArray[np.bool_]:
    """(seconds,) False within a second of a change: its rounding is no disagreement."""
    changes = np.flatnonzero(np.diff(posture)) + 1
    out = np.ones(len(posture), bool)
    for change in changes:
        out[max(0, change - 1) : change + 1] = False
    return out


def middle_s(movement: Movement) -> float:
    return (movement.start_ns + movement.end_ns) / 2e9


def unmatched(found: list[Movement], truth: list[Movement]) -> list[str]:
    """Movements on either side without a partner of the same kind within MOVEMENT_S."""

    def alone(some: list[Movement], others: list[Movement], side: str) -> list[str]:
        return [
            f"{one.kind.value} at {middle_s(one):.1f} s only {side}"
            for one in some
            if not any(
                other.kind is one.kind and abs(middle_s(other) - middle_s(one)) <= MOVEMENT_S
                for other in others
            )
        ]

    return alone(truth, found, "in the recording") + alone(found, truth, "through the sensor")


def test_the_recording_has_what_is_compared(compared: Compared) -> None:
    truth = compared.truth
    words = {Posture(value).word for value in truth.posture}
    assert words >= {"sitting", "standing", "walking", "lying_supine"}
    sitting = truth.posture == Posture.SITTING
    assert (truth.slouched[sitting] == 1).sum() > 20
    assert (truth.slouched[sitting] == 0).sum() > 10
    kinds = {m.kind for m in truth.movements}
    assert kinds >= {MovementKind.SIT_TO_STAND, MovementKind.STAND_TO_SIT, MovementKind.SIT_TO_LIE}


@pytest.mark.parametrize("name", NAMES)
def test_posture_is_that_of_the_recording(name: str, compared: Compared) -> None:
    truth, found = compared.truth.posture, compared.found[name].posture
    compare = settled(truth)
    agreement = float((truth == found)[compare].mean())
    print(f"{name}: posture agrees in {agreement:.1%} of the seconds")
    assert agreement >= AGREEMENT


@pytest.mark.parametrize("name", NAMES)
def test_slouch_is_that_of_the_recording(name: str, compared: Compared) -> None:
    truth, found = compared.truth, compared.found[name]
    compare = (truth.posture == Posture.SITTING) & settled(truth.posture)
    agreement = float((truth.slouched == found.slouched)[compare].mean())
    print(f"{name}: slouch agrees in {agreement:.1%} of the sitting seconds")
    assert agreement >= AGREEMENT


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NO_GYROSCOPE])
def test_movements_are_those_of_the_recording(name: str, compared: Compared) -> None:
    assert not unmatched(compared.found[name].movements, compared.truth.movements)
