"""A guided calibration as a patient does it, real software at every step.

virtual sensor -> bleak -> agent -> mosquitto -> ingest -> store -> worker, and the page in Chromium
that says what to do, or the command. Sensor, agent, worker and page share a clock that runs faster
than the day; whoever wears the sensor does what the page says when it says so.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from playwright.sync_api import Page, expect, sync_playwright
from scipy.spatial.transform import Rotation
from werkzeug.serving import make_server

from analytics.dashboard.app import close_app, create_app
from analytics.store.clinic import FILE_NAME, Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.records import CalibrationStep, GuidedCalibration
from analytics.worker import Worker
from firmware_profiles.base import StreamRequest
from sensor_agent.agent import Agent, AgentConfig
from sensor_agent.ble import Radio
from sensor_agent.broker import BrokerConfig
from sensor_agent.session import SensorConfig
from sensor_agent.virtual.motion import Motion
from sensor_agent.virtual.peripheral import VirtualSensor
from sensor_agent.virtual.world import VirtualWorld
from tests.analytics.dashboard.browsing import ARGUMENTS, PHONE, context_of, picture
from tests.analytics.signals import Wearer, played
from tests.e2e.play import DEVICE
from tests.patient_clock import PatientClock
from tests.servers import PATIENCE_S, Mosquitto, mosquitto, stop
from trunkline.commands import calibrate
from trunkline.log_ins import make_log_ins
from wire.messages import CALIBRATION_STEPS, Placement

pytestmark = [pytest.mark.mosquitto, pytest.mark.chromium]

WEARER = "p-001"
SPEED = 10.0
RATE_HZ = 52.0
SECOND_NS = 1_000_000_000
READY_S = 12
"""From the tap until a step begins, in place of 5: a busy machine obeys more slowly than people."""
LONGEST_S = 7200.0
"""Of the clock that is shared: what the sensor can feel."""
EARLIER_NS = 3 * 3600 * SECOND_NS
"""The clock begins so long ago and never overtakes the machine's."""
ATTEMPTS = 20
SLOUCH_DEG = 19.0
MOUNT = Rotation.random(random_state=3)


def moves(step: str) -> Wearer:
    """What a wearer does from a second before the step begins until after its end."""
    return {
        "stand": lambda: Wearer().hold(13),
        "sit_tall": lambda: Wearer().hold(13),
        "slouch": lambda: Wearer().go(0.8, flexion=SLOUCH_DEG).hold(13),
        "bend": lambda: Wearer().hold(2.5).go(1.5, flexion=60).go(1.5, flexion=0).hold(7),
        "walk": lambda: Wearer().hold(3).walk(11).hold(10),
    }[step]()


@dataclass
class Person:
    """Wears the sensor: keeps still, and does a step when it is asked for."""

    clock: PatientClock
    folder: Path
    sensor: VirtualSensor | None = None
    instead: dict[str, Wearer] = field(default_factory=dict)
    """What is done in a step's place."""
    motion: Motion = field(init=False)

    def __post_init__(self) -> None:
        n = round(LONGEST_S * RATE_HZ)
        _, accel, gyro = played(Wearer().hold(n / 50).script(), mount=MOUNT)
        self.motion = Motion(RATE_HZ, accel, gyro)

    def obey(self, ended: threading.Event) -> None:
        """Do every step as soon as it is asked for, until `ended`."""
        clinic, done = Clinic(self.folder / FILE_NAME), set[int]()
        while not ended.wait(0.02):
            for found in clinic.calibrations(WEARER, "trunk")[:1]:
                for step in found.steps:
                    if step.passed is None and step.start_ns not in done:
                        done.add(step.start_ns)
                        wearer = self.instead.get(step.step) or moves(step.step)
                        self.does(wearer, step.start_ns - SECOND_NS)
        clinic.close()

    def does(self, wearer: Wearer, from_ns: int) -> None:
        """from_ns: UTC of the shared clock."""
        assert self.sensor is not None
        assert self.sensor.origin_ns is not None
        offset_ns = self.clock.utc_ns() - self.clock.monotonic_ns()
        first = round((from_ns - offset_ns - self.sensor.origin_ns) * RATE_HZ / SECOND_NS)
        _, accel, gyro = played(wearer.script(), mount=MOUNT)
        assert self.motion.gyro is not None
        self.motion.accel[first : first + len(accel)] = accel
        self.motion.gyro[first : first + len(gyro)] = gyro


@dataclass
class Running:
    """The running chain."""

    folder: Path
    clock: PatientClock
    clinic: Clinic
    person: Person
    address: str
    password: str

    def newest(self) -> GuidedCalibration:
        return self.clinic.calibrations(WEARER, "trunk")[0]


@pytest.fixture
def chain(
    tmp_path: Path, mosquitto_bin: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Running]:
    monkeypatch.setattr("analytics.guidance.READY_S", READY_S)
    with ExitStack() as parts:
        broker = parts.enter_context(mosquitto(mosquitto_bin, tmp_path / "broker", (WEARER,)))
        clinic = Clinic(tmp_path / FILE_NAME)
        parts.callback(clinic.close)
        clinic.add_wearer(WEARER, "UTC")
        (patient, *_) = make_log_ins(clinic, WEARER, renew=False)
        clock = PatientClock(SPEED, time.time_ns() - EARLIER_NS)
        person = Person(clock, tmp_path)
        parts.enter_context(ingest(tmp_path, broker))
        parts.enter_context(worker(tmp_path, clock))
        address = parts.enter_context(pages(tmp_path, clock))
        parts.enter_context(worn(tmp_path, broker, clock, person))
        arriving(tmp_path, clock)
        parts.enter_context(obeying(person))
        yield Running(tmp_path, clock, clinic, person, address, patient.password)


@contextmanager
def obeying(person: Person) -> Iterator[None]:
    ended = threading.Event()
    yield from in_thread(lambda: person.obey(ended), ended.set)


def arriving(folder: Path, clock: PatientClock) -> None:
    """Wait until samples are stored as they come."""
    store, deadline_s = EmbeddedStore(folder / "samples.db"), time.monotonic() + PATIENCE_S
    while not any(clock.utc_ns() - s.last_ns < 10 * SECOND_NS for s in store.sensors(WEARER)):
        assert time.monotonic() < deadline_s, "no samples are stored"
        time.sleep(0.05)
    store.close()


@contextmanager
def ingest(folder: Path, broker: Mosquitto) -> Iterator[None]:
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "trunkline", "ingest", "--broker", f"127.0.0.1:{broker.port}"),
            *("--user", "server", "--password-file", str(broker.password_file("server"))),
        ],
        env=os.environ | {"TRUNKLINE_DATA_DIR": str(folder)},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield
        assert process.poll() is None
    finally:
        stop(process)


@contextmanager
def worker(folder: Path, clock: PatientClock) -> Iterator[None]:
    ended = threading.Event()

    def work() -> None:
        store, clinic = EmbeddedStore(folder / "samples.db"), Clinic(folder / FILE_NAME)
        Worker(store, clinic, clock_ns=clock.utc_ns).run(ended, poll_s=0.1)
        store.close()
        clinic.close()

    yield from in_thread(work, ended.set)


@contextmanager
def pages(folder: Path, clock: PatientClock) -> Iterator[str]:
    store, clinic = EmbeddedStore(folder / "samples.db"), Clinic(folder / FILE_NAME)
    app = create_app(
        store, clinic, secret_key="k" * 32, secure_cookies=False, clock_ns=clock.utc_ns
    )
    server = make_server("127.0.0.1", 0, app, threaded=True)
    for _ in in_thread(lambda: server.serve_forever(poll_interval=0.05), server.shutdown):
        yield f"http://127.0.0.1:{server.port}"
    server.server_close()
    close_app(app)
    store.close()
    clinic.close()


@contextmanager
def worn(folder: Path, broker: Mosquitto, clock: PatientClock, person: Person) -> Iterator[None]:
    """A virtual sensor on the person, and the agent beside it."""
    config = AgentConfig(
        wearer=WEARER,
        broker=BrokerConfig(
            port=broker.port, user=WEARER, password=broker.password_file(WEARER).read_text()
        ),
        outbox_path=folder / "outbox.db",
        sensors=(
            SensorConfig(
                "trunk",
                Placement.T12,
                profile="movesense",
                device=DEVICE,
                request=StreamRequest(rate_hz=RATE_HZ),
            ),
        ),
        silence_s=10 * SPEED,
    )
    ready, ended = threading.Event(), threading.Event()

    async def wear() -> None:
        async with VirtualWorld(clock) as world:
            person.sensor = await world.add_sensor("movesense", person.motion)
            radio = Radio(
                scanner_backend=world.scanner_backend, client_backend=world.client_backend
            )
            agent = Agent(config, clock, radio)
            leave = asyncio.Event()
            run = asyncio.create_task(agent.run(leave, agent.drained))
            while not ended.is_set():
                if person.sensor.origin_ns is not None:
                    ready.set()
                await asyncio.sleep(0.05)
            leave.set()
            await run

    for _ in in_thread(lambda: asyncio.run(wear()), ended.set):
        assert ready.wait(PATIENCE_S), "the sensor does not stream"
        yield


def in_thread(work: Callable[[], object], end: Callable[[], object]) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        end()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@pytest.fixture
def page(chromium_bin: Path, chain: Running) -> Iterator[Page]:
    """The patient's phone, logged in; its console must stay empty."""
    complaints: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_bin, args=ARGUMENTS)
        page = context_of(browser, chain.address, PHONE).new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.goto("/login")
        page.get_by_label("Name").fill("patient")
        page.get_by_label("Password").fill(chain.password)
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(lambda url: "/login" not in url)
        yield page
        browser.close()
    assert complaints == []


def test_a_patient_is_led_through_a_calibration(
    chain: Running, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.goto(f"/wearers/{WEARER}/calibration")
    chain.person.instead = {"stand": Wearer().walk(14)}
    until_said(page, "stand", "keep still")
    assert chain.newest().quality == "failed"
    chain.person.instead = {}
    for step in CALIBRATION_STEPS:
        until_said(page, step, "Well done")
    expect(page.get_by_text("calibration number 1 of this sensor")).to_be_visible()
    expect(page.get_by_text("Number 1, from")).to_be_visible()
    picture(page, "journey-calibration")
    first = chain.newest()
    assert (first.version, first.source, first.quality) == (1, "dashboard", "good")
    assert first.valid_from_ns == first.steps[0].start_ns
    assert first.steps[0].attempt > 1
    slouch = next(step for step in first.steps if step.step == "slouch")
    assert slouch.figures["range_deg"] == pytest.approx(SLOUCH_DEG, abs=2)
    assert flexion_deg(chain, slouch) == pytest.approx(SLOUCH_DEG, abs=2)

    by_command(chain, monkeypatch)
    second, kept = chain.clinic.calibrations(WEARER, "trunk")
    assert (second.version, second.source) == (2, "cli")
    assert {s.step for s in second.steps if s.passed} == {"stand", "bend"}
    assert second.valid_from_ns == second.steps[0].start_ns
    assert kept == first
    page.reload()
    expect(page.get_by_text("Number 2, from")).to_be_visible()
    expect(page.get_by_text("Number 1, from")).to_be_visible()


def until_said(page: Page, step: str, words: str) -> None:
    """A wearer who is late, on a machine that has much to do, does the step again."""
    said: list[str] = []
    while words not in " ".join(said[-1:]):
        assert len(said) < ATTEMPTS, said
        said.append(do_step(page, step))


def do_step(page: Page, step: str) -> str:
    """Tap, and wait for what the page says of it."""
    row = page.locator(f"#{step}")
    row.get_by_role("button").click()
    row = page.locator(f'#{step}:is([data-state="passed"], [data-state="failed"])')
    expect(row).to_be_visible()
    return row.get_by_role("status").inner_text()


def flexion_deg(chain: Running, step: CalibrationStep) -> float:
    """What the worker says of the seconds of a step, computed with the calibration they made."""
    store = EmbeddedStore(chain.folder / "samples.db")
    deadline_s = time.monotonic() + PATIENCE_S
    found: list[float] = []
    while len(found) < 5:
        assert time.monotonic() < deadline_s, "the worker says nothing of it"
        time.sleep(0.1)
        minutes = store.read_results(WEARER, "timeline", step.start_ns, step.end_ns)
        found = [
            angle
            for minute in minutes
            for second, angle in enumerate(minute.body["trunk_flexion_deg"])
            if angle is not None
            and step.start_ns < minute.start_ns + second * SECOND_NS < step.end_ns - SECOND_NS
        ]
    store.close()
    return float(np.median(found))


def by_command(chain: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """`trunkline calibrate` on the same clock, for a standing and a bend."""
    monkeypatch.setattr(
        calibrate, "time", SimpleNamespace(time_ns=chain.clock.utc_ns, sleep=time.sleep)
    )
    words = ["--wearer", WEARER, "--data-dir", str(chain.folder), "--step", "bend"]
    result = CliRunner().invoke(calibrate.command, [*words, "--attempts", str(ATTEMPTS)])
    assert result.exit_code == 0, result.output
    assert result.stderr.count("well done.") == 2
    assert "calibration number 2" in result.stdout
