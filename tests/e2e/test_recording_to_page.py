"""A recording travels the whole way, real software at every step.

virtual sensor -> bleak -> agent -> mosquitto -> ingest -> InfluxDB or embedded store -> worker ->
dashboard in Chromium. Every sample is stored exactly once with its value at its time, and what the
page says agrees with the truth.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from analytics.recording import Recording, read_recording
from sensor_agent.clock import ScaledClock
from tests.analytics.dashboard.browsing import ARGUMENTS, DESK, context_of
from tests.e2e.play import SENSOR, Played, play
from tests.e2e.stack import ZONE, Stack, running
from tests.patient_clock import PatientClock
from tests.servers import PATIENCE_S, influxd, mosquitto
from trunkline.synthetic.recording_file import write_recording, write_truth
from trunkline.synthetic.wearer import SyntheticWearer

pytestmark = [pytest.mark.mosquitto, pytest.mark.influxdb, pytest.mark.chromium]

SPEED = 40.0
LIVE_SPEED = 4.0
PAGE_DAY = "2026-03-03"
START_NS = int(
    datetime.fromisoformat(f"{PAGE_DAY}T10:00").replace(tzinfo=ZoneInfo(ZONE)).timestamp()
)
START_NS *= 10**9
WEARERS = ("p-synthetic", "p-hapt", "p-slouched", "p-upright")
HOLDS = {"slouched": "sp_s01_T12_t13_slouched", "upright": "sp_s01_T12_t10_upright"}


@dataclass(frozen=True)
class Case:
    """A recording, its truth, the sensor that plays it, and who wears it."""

    wearer: str
    recording: Recording
    truth: dict[str, Any]
    profile: str


@pytest.fixture(params=["synthetic", "HAPT"])
def day(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """Some minutes with every posture."""
    if request.param == "HAPT":
        shared_dir = request.getfixturevalue("shared_dir")
        return corpus_case("p-hapt", shared_dir, "HAPT", "hapt_u01_e01")
    path, truth = tmp_path / "synthetic.parquet", tmp_path / "synthetic.truth.json"
    wearer = SyntheticWearer(300.0, 50.0, "T12", 5, story="demo")
    write_recording(wearer, path)
    write_truth(wearer, truth)
    return Case("p-synthetic", read_recording(path), json.loads(truth.read_text()), "polar_h10")


def corpus_case(wearer: str, shared_dir: Path, group: str, name: str) -> Case:
    folder = shared_dir / "corpus" / "recordings" / group
    return Case(
        wearer,
        read_recording(folder / f"{name}.parquet"),
        json.loads((folder / f"{name}.truth.json").read_text()),
        "movesense",
    )


@pytest.fixture(scope="module", params=["embedded", "influx"])
def stack(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    mosquitto_bin: Path,
    influxd_bin: Path,
) -> Iterator[Stack]:
    """Every test has a wearer of its own."""
    folder = tmp_path_factory.mktemp("stack")
    with ExitStack() as servers:
        broker = servers.enter_context(mosquitto(mosquitto_bin, folder / "broker", WEARERS))
        influx = None
        if request.param == "influx":
            influx = servers.enter_context(influxd(influxd_bin, folder / "influx"))
        yield servers.enter_context(running(folder, broker, influx, WEARERS))


@pytest.fixture(scope="module")
def browser(chromium_bin: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium_bin), args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, stack: Stack) -> Iterator[Page]:
    """A page that must not complain on its console."""
    page = context_of(browser, f"http://127.0.0.1:{stack.http_port}", DESK).new_page()
    problems: list[str] = []
    page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
    yield page
    page.context.close()
    assert problems == []


def test_a_day_reaches_the_clinician(day: Case, stack: Stack, page: Page, tmp_path: Path) -> None:
    sent = send(day, stack, tmp_path, PatientClock(SPEED, START_NS))
    assert_stored_exactly_once(day, sent, stack, late_s=0.1)
    wait_for_worker(stack, day.wearer)
    log_in(page, stack, "clinician")
    page.goto(f"/wearers/{day.wearer}/{PAGE_DAY}")
    page.get_by_text("Exposure by day, as a table").click()
    table = page.locator("table", has=page.locator("caption", has_text="Exposure by day"))
    columns = table.locator("thead th, thead td").all_inner_texts()
    row = table.locator("tbody tr", has_text="Tue 3 Mar").locator("th, td").all_inner_texts()
    shown = dict(zip(columns, row, strict=True))
    labelled, unlabelled_min = true_minutes(day)
    for posture in ("Sitting", "Standing", "Walking", "Lying"):
        minutes = int(re.fullmatch(r"(\d+) min", shown[posture]).group(1))  # type: ignore[union-attr]
        wanted = labelled[posture.lower()]
        assert wanted - 1 <= minutes <= wanted + unlabelled_min + 1, (posture, shown, labelled)
    if day.recording.placement == "waist":
        assert shown["Slouched (band)"] == "not observable"


@pytest.mark.corpus
@pytest.mark.parametrize("label", HOLDS)
def test_a_posture_reaches_the_patient_live(
    label: str, shared_dir: Path, stack: Stack, page: Page, tmp_path: Path
) -> None:
    hold = corpus_case(f"p-{label}", shared_dir, "SittingPosture", HOLDS[label])
    assert hold.truth["slouch"][-1][2] == label
    log_in(page, stack, hold.wearer)
    headline, detail = (
        page.locator("#now [data-field=headline]"),
        page.locator("#now [data-field=detail]"),
    )
    expect(headline).to_have_text("No live data")
    # on a scaled clock that arrives at the present about when the recording ends, and waits for
    # nobody
    ahead_s = hold.recording.duration_s * (1 - 1 / LIVE_SPEED)
    clock = ScaledClock(LIVE_SPEED, time.time_ns() - round(1e9 * ahead_s))
    sent = send(hold, stack, tmp_path, clock)
    expect(headline).to_have_text("Sitting")
    expect(detail).to_contain_text("Slouched" if label == "slouched" else "Not slouched")
    # arrivals that a busy machine delays count LIVE_SPEED times
    assert_stored_exactly_once(hold, sent, stack, late_s=2.0)


def send(case: Case, stack: Stack, folder: Path, clock: ScaledClock) -> Played:
    return play(
        case.recording,
        case.profile,
        wearer=case.wearer,
        broker=stack.broker,
        outbox=folder / "outbox.db",
        clock=clock,
    )


def assert_stored_exactly_once(case: Case, sent: Played, stack: Stack, *, late_s: float) -> None:
    assert sent.lost_samples == 0
    stored = stack.store.read_samples(case.wearer, SENSOR, 0, 2**62)
    assert len(stored) == len(sent.t_ns)
    assert (np.diff(stored.t_ns) > 0).all()
    assert stored.values.keys() == sent.values.keys()
    for name, values in sent.values.items():
        # what a sensor sends in deg/s is rounded once more on the way to rad/s
        np.testing.assert_allclose(stored.values[name], values, rtol=2.5e-7, atol=1e-7)
    assert np.abs(stored.t_ns - sent.t_ns).max() < late_s * 1e9


def wait_for_worker(stack: Stack, wearer: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while stack.clinic.arrivals() or not stack.clinic.holds(wearer):
        assert time.monotonic() < deadline, "the worker does not keep up"
        time.sleep(0.1)


def log_in(page: Page, stack: Stack, user: str) -> None:
    page.goto("/login")
    page.fill("#name", user)
    page.fill("#password", stack.log_ins[user].password)
    page.click("button.main")
    page.wait_for_url(re.compile(r"/(wearers|me)"))


def true_minutes(case: Case) -> tuple[Counter[str], float]:
    """Minutes of each labelled posture, and minutes without a label."""
    minutes: Counter[str] = Counter()
    for start_s, end_s, posture in case.truth["posture"]:
        minutes["lying" if posture.startswith("lying") else posture] += (end_s - start_s) / 60
    return minutes, case.recording.duration_s / 60 - minutes.total()
