"""One sensor's session over the virtual radio: which device, and what it does about trouble."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
import pytest_asyncio

from firmware_profiles.base import DecodeError
from firmware_profiles.movesense_gsp import GspDecoder
from firmware_profiles.registry import UnknownProfileError
from sensor_agent import session as session_module
from sensor_agent.ble import Radio, RadioError
from sensor_agent.device_clock import HostUtc
from sensor_agent.session import SensorConfig, SensorSession
from sensor_agent.state import State
from sensor_agent.virtual.motion import Motion
from sensor_agent.virtual.world import VirtualWorld
from tests.patient_clock import PatientClock
from tests.sensor_agent.broker_side import until
from tests.servers import PATIENCE_S
from wire.batch import Batch
from wire.ids import IdError
from wire.messages import Birth, Placement

SPEED = 10.0


@pytest_asyncio.fixture
async def world() -> AsyncIterator[VirtualWorld]:
    async with VirtualWorld(PatientClock(SPEED), supervision_timeout_s=0.2) as made:
        yield made


@pytest.fixture(autouse=True)
def short_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "SCAN_S", 0.4)


@pytest.fixture
def still() -> Motion:
    return Motion(52.0, np.zeros((52 * 600, 3)), np.zeros((52 * 600, 3)))


class Desk:
    """Sessions of one agent and what they handed on."""

    def __init__(self, world: VirtualWorld) -> None:
        self.world = world
        self.radio = Radio(
            scanner_backend=world.scanner_backend, client_backend=world.client_backend
        )
        self.utc = HostUtc(world.clock)
        self.claimed: set[str] = set()
        self.batches: list[Batch] = []
        self.births: list[Birth] = []
        self.states: list[State] = []

    @asynccontextmanager
    async def running(
        self, profile: str = "movesense", device: str | None = None, silence_s: float = 60.0
    ) -> AsyncIterator[SensorSession]:
        session = SensorSession(
            SensorConfig("trunk", Placement.T12, profile, device),
            [self.radio],
            self.world.clock,
            self.utc,
            claimed=self.claimed,
            silence_s=silence_s,
            emit=lambda _sensor, batches: self.batches.extend(batches),
            announce=lambda _sensor, birth: self.births.append(birth),
            changed=lambda: None,
        )
        session._changed = lambda: self.states.append(session.state)
        task = asyncio.create_task(session.run())
        try:
            yield session
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=PATIENCE_S)
            assert task.done()
            assert session.state is State.STOPPED


@pytest.fixture
def desk(world: VirtualWorld) -> Desk:
    return Desk(world)


def streams(session: SensorSession) -> Callable[[], bool]:
    return lambda: session.state is State.STREAMING


async def test_the_way_through_the_states(desk: Desk, still: Motion) -> None:
    await desk.world.add_sensor("movesense", still)
    async with desk.running() as session:
        await until(lambda: len(desk.batches) > 2)
        assert session.status(7, 9).outbox_batches == 7
    seen = [state for i, state in enumerate(desk.states) if state not in desk.states[:i]]
    assert seen == [
        State.SCANNING,
        State.CONNECTING,
        State.CONFIGURING,
        State.STREAMING,
        State.STOPPED,
    ]
    assert len(desk.births) == 1


@pytest.mark.parametrize("device", ["Movesense 00000002", "00000002", "c4:f1:00:00:00:02"])
async def test_a_device_is_meant_by_name_serial_or_address(
    desk: Desk, still: Motion, device: str
) -> None:
    first = await desk.world.add_sensor("movesense", still)
    second = await desk.world.add_sensor("movesense", still)
    async with desk.running(device=device) as session:
        await until(streams(session))
        assert second.is_connected
        assert not first.is_connected


async def test_auto_takes_the_only_one_that_fits(desk: Desk, still: Motion) -> None:
    await desk.world.add_sensor("polar_h10", still)
    async with desk.running("auto") as session:
        await until(streams(session))
    assert desk.births[0].profile == "polar_h10"


async def test_several_that_fit_are_not_guessed_between(
    desk: Desk, still: Motion, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        await desk.world.add_sensor("movesense", still)
    async with desk.running() as session:
        await until(lambda: session.problem is not None)
        assert "2 sensors in range fit" in str(session.problem)
        await until(lambda: desk.states.count(State.SCANNING) >= 3)
    assert len([r for r in caplog.records if r.name == "sensor_agent.session"]) == 1


async def test_nothing_in_range_is_said_with_advice(desk: Desk) -> None:
    async with desk.running() as session:
        await until(lambda: session.problem is not None)
        assert "not in range" in str(session.problem)
        assert "trunkline scan" in str(session.problem)


async def test_another_sessions_sensor_is_left_alone(desk: Desk, still: Motion) -> None:
    await desk.world.add_sensor("movesense", still)
    async with desk.running() as first:
        await until(streams(first))
        second = await desk.world.add_sensor("movesense", still)
        async with desk.running() as other:
            await until(streams(other))
            assert second.is_connected


async def test_a_refusal_is_said_and_tried_again(
    desk: Desk, still: Motion, caplog: pytest.LogCaptureFixture
) -> None:
    sensor = await desk.world.add_sensor("movesense", still)
    sensor.encoder.refuse_status = 503
    caplog.set_level(logging.INFO)
    async with desk.running() as session:
        await until(lambda: session.problem is not None)
        assert "status 503" in str(session.problem)
        sensor.encoder.refuse_status = None
        await until(streams(session))
        assert session.problem is None
    assert "C4:F1" not in caplog.text


async def test_silence_is_a_reason_to_connect_anew(desk: Desk, still: Motion) -> None:
    sensor = await desk.world.add_sensor("movesense", still)
    async with desk.running(silence_s=8.0) as session:
        await until(lambda: session.batcher.counters.samples > 100)
        sensor.stall()
        await until(lambda: session.state is not State.STREAMING)
        assert "no samples for 8 s" in str(session.problem)
        await sensor.resume(burst=False)
        await until(streams(session))
        assert session.status(0, None).reconnects == 1


async def test_values_that_no_sensor_gives_are_dropped_like_undecodable_packets(
    desk: Desk, still: Motion, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.world.add_sensor("movesense", still)
    decode, calls = GspDecoder.decode, iter(range(10**9))

    def sometimes(decoder: GspDecoder, characteristic: str, data: bytes) -> list:
        found = decode(decoder, characteristic, data)
        if next(calls) % 10 == 9:
            huge = {q: np.full_like(rows, 3e38) for q, rows in found[0].values.items()}
            found[0] = dataclasses.replace(found[0], values=huge)
        return found

    monkeypatch.setattr(GspDecoder, "decode", sometimes)
    # a busy machine finds many packets at once
    monkeypatch.setattr(GspDecoder, "decode_run", lambda *_args: None)
    async with desk.running() as session:
        await until(lambda: session.batcher.counters.samples > 300)
        status = session.status(0, None)
    assert session.counters.streams == 1
    assert status.undecodable_packets >= 5
    assert status.lost_samples >= 4 * (status.undecodable_packets - 2)


async def test_undecodable_packets_are_counted_and_survived(
    desk: Desk, still: Motion, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.world.add_sensor("movesense", still)
    decode, calls = GspDecoder.decode, iter(range(10**9))

    def sometimes(decoder: GspDecoder, characteristic: str, data: bytes) -> list:
        if next(calls) % 10 == 0:
            raise DecodeError("made up")
        return decode(decoder, characteristic, data)

    monkeypatch.setattr(GspDecoder, "decode", sometimes)
    # a busy machine finds many packets at once
    monkeypatch.setattr(GspDecoder, "decode_run", lambda *_args: None)
    async with desk.running() as session:
        await until(lambda: session.batcher.counters.samples > 300)
        status = session.status(0, None)
    assert status.undecodable_packets >= 5
    assert status.lost_samples >= 4 * (status.undecodable_packets - 2)


async def test_a_bug_in_a_profile_does_not_end_the_session(
    desk: Desk, still: Motion, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sensor = await desk.world.add_sensor("movesense", still)

    def broken(*_args: object) -> list:
        raise ZeroDivisionError

    decode = GspDecoder.decode
    monkeypatch.setattr(GspDecoder, "decode", broken)
    async with desk.running() as session:
        await until(lambda: "unexpected error" in caplog.text)
        await until(lambda: not sensor.is_connected)
        monkeypatch.setattr(GspDecoder, "decode", decode)
        await until(lambda: session.batcher.counters.samples > 100)


async def test_stop_hands_on_what_was_not_a_full_batch(desk: Desk, still: Motion) -> None:
    sensor = await desk.world.add_sensor("movesense", still)
    async with desk.running() as session:
        await until(lambda: session.batcher.counters.samples > 150)
    assert sum(b.n for b in desk.batches) == session.batcher.counters.samples
    assert sum(b.n for b in desk.batches) == sum(len(f.device_t_ns) for f in sensor.sent)
    assert sensor.encoder.stream is None


async def test_a_clock_set_back_begins_a_new_session_by_itself(
    desk: Desk, still: Motion, world: VirtualWorld
) -> None:
    await world.add_sensor("movesense", still)
    async with desk.running() as session:
        await until(lambda: len(desk.batches) >= 3)
        first, before = session.session, len(desk.batches)
        world.clock.set_utc(0, world.clock._utc0_ns - 3600 * 10**9)  # type: ignore[attr-defined]
        await until(lambda: desk.batches[-1].session != first)
        await until(lambda: len(desk.batches) >= before + 4)
    old = [b for b in desk.batches if b.session == first]
    new = [b for b in desk.batches if b.session != first]
    assert [b.seq for b in new] == list(range(len(new)))
    assert 3590e9 < old[-1].t_ns[-1] - new[0].t0_ns < 3600e9
    assert [birth.session for birth in desk.births] == [first, session.session]
    assert sum(b.n for b in desk.batches) == session.batcher.counters.samples


async def test_what_an_earlier_stream_still_sends_is_not_taken_for_this_one(
    desk: Desk, world: VirtualWorld
) -> None:
    """A Polar H10 goes on streaming when the link is lost, and is started again by the agent."""
    at = np.arange(50 * 600)[:, None] * np.array([9.80665e-3, 0, 0])
    sensor = await world.add_sensor("polar_h10", Motion(50.0, at % 30.0))
    async with desk.running("polar_h10"):
        for count in (3, 6, 9, 12, 15):
            await until(lambda: len(desk.batches) >= count)  # noqa: B023
            sensor.lose_link()
    values = np.concatenate([b.channels["accel"].si()[:, 0] for b in desk.batches])
    numbers = np.rint(values / 9.80665e-3).astype(int)
    starts = np.cumsum([b.n for b in desk.batches])[:-1]
    gaps = np.flatnonzero(np.diff(numbers) > 1) + 1
    assert set(gaps) <= set(starts), [(numbers[i - 1], numbers[i]) for i in gaps]
    assert len(gaps) >= 3


async def test_a_sensor_that_answers_late_is_told_to_stop_all_the_same(
    desk: Desk, world: VirtualWorld
) -> None:
    sensor = await world.add_sensor("polar_h10", Motion(50.0, np.zeros((50 * 600, 3))))
    async with desk.running("polar_h10") as session:
        await until(streams(session))
        sensor.answer_delay_s = 1.7
    assert sensor.encoder.stream is None


async def test_a_sensor_that_was_just_started_when_the_agent_ends_is_told_to_stop(
    desk: Desk, world: VirtualWorld
) -> None:
    sensor = await world.add_sensor("polar_h10", Motion(50.0, np.zeros((50 * 600, 3))))
    sensor.answer_delay_s = 0.5
    async with desk.running("polar_h10") as session:
        await until(lambda: sensor.encoder.stream is not None)
        assert session.state is State.CONFIGURING
        sensor.answer_delay_s = 0.0
    assert sensor.encoder.stream is None


async def test_a_sensor_that_does_not_answer_when_it_is_told_to_stop_is_said(
    desk: Desk,
    world: VirtualWorld,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(session_module, "STOP_STEPS_S", 0.2)
    sensor = await world.add_sensor("polar_h10", Motion(50.0, np.zeros((50 * 600, 3))))
    async with desk.running("polar_h10") as session:
        await until(streams(session))
        sensor.answer_delay_s = 60.0
    assert "did not answer when it was told to stop" in caplog.text
    assert not sensor.is_connected


@pytest.mark.parametrize("error", [RadioError("gone", "wait"), RuntimeError("HCI")])
async def test_a_radio_that_turns_cancellation_into_an_error_is_stopped_all_the_same(
    desk: Desk, still: Motion, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    await desk.world.add_sensor("movesense", still)

    async def stubborn(*_args: object) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise error from None

    monkeypatch.setattr(desk.radio, "connect", stubborn)
    async with desk.running() as session:
        await until(lambda: session.state is State.CONNECTING)


def test_a_sensor_needs_a_fitting_id_and_a_known_profile() -> None:
    with pytest.raises(IdError):
        SensorConfig("Trunk!", Placement.T12)
    with pytest.raises(UnknownProfileError):
        SensorConfig("trunk", Placement.T12, "no-such-thing")


async def test_a_radio_that_fails_again_and_again_is_left_to_the_supervisor(
    desk: Desk, still: Motion, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.world.add_sensor("movesense", still)
    monkeypatch.setattr(session_module.Backoff, "wait_s", lambda _self: 0.01)
    second = Radio(
        scanner_backend=desk.world.scanner_backend, client_backend=desk.world.client_backend
    )
    done: list[str] = []

    def failing(name: str, radio: Radio) -> None:
        async def connect(*_args: object) -> None:
            done.append(name)
            raise RadioError("le-connection-abort-by-local", "try")

        async def forget(_sighting: object) -> None:
            done.append("forget")

        async def reset() -> None:
            done.append("reset")

        monkeypatch.setattr(radio, "connect", connect)
        monkeypatch.setattr(radio, "forget", forget)
        monkeypatch.setattr(radio, "reset", reset)

    failing("first", desk.radio)
    failing("second", second)
    async with desk.running() as session:
        session._radios.append(second)
        await until(lambda: session.state is State.STOPPED)
    assert done == [*["first"] * 4, "forget", *["second"] * 4, "reset", *["second"] * 8]


async def test_nobody_leaves_while_another_sensor_streams(
    desk: Desk, still: Motion, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.world.add_sensor("movesense", still)
    monkeypatch.setattr(session_module.Backoff, "wait_s", lambda _self: 0.01)
    count = 0

    async def connect(*_args: object) -> None:
        nonlocal count
        count += 1
        raise RadioError("le-connection-abort-by-local", "try")

    monkeypatch.setattr(desk.radio, "connect", connect)
    desk.radio.streams = 1
    async with desk.running() as session:
        await until(lambda: count > 20)
        assert session.state is not State.STOPPED
