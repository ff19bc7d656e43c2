"""Server time (CPU) of the pages with 90 days of history, and how old the live state is.

The live part runs the whole way in real time: virtual sensor, mosquitto, ingest, embedded store,
worker, dashboard; it is measured when mosquitto is installed.
"""

from __future__ import annotations

import http.cookiejar
import json
import shutil
import tempfile
import threading
import time
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
from flask import Flask
from flask.testing import FlaskClient

from analytics.dashboard.app import create_app
from analytics.day_reading import keep_day, read_day
from analytics.exposure.day_sum import body_of
from analytics.recording import read_recording
from analytics.store.base import DAY_SUM, Result
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from sensor_agent.clock import ScaledClock
from tests.analytics.dashboard.synthetic import (
    PROVENANCE,
    TODAY,
    ZONE,
    Clock,
    fill_day,
    moved,
    write_sample,
)
from tests.bench.budget import Budget
from tests.e2e.play import play
from tests.e2e.stack import WEARER, Stack, running
from tests.servers import mosquitto
from trunkline.log_ins import LogIn, make_log_ins
from trunkline.service import collect_rarely
from trunkline.synthetic.recording_file import write_recording
from trunkline.synthetic.wearer import SyntheticWearer

DAYS = 90
WEARERS = 500
SUMMED_DAYS = 28
LIVE_S = 40.0
WARM_UP_S = 12.0
"""Start of the sensor, its clock fit, and the upright hold, after which the day begins anew."""


def pages(folder: Path) -> list[Budget]:
    """The pages of one wearer with DAYS of history, summed as the worker keeps them."""
    store, clinic = EmbeddedStore(folder / "samples.db"), Clinic(folder / "clinic.db")
    clinic.add_wearer("anna", ZONE.key)
    for back in range(DAYS):
        fill_day(store, "anna", TODAY.plus(-back), back)
        if back:
            keep_day(store, "anna", TODAY.plus(-back))
    log_ins = make_log_ins(clinic, "anna", renew=False)
    app = _app(store, clinic)
    found = []
    wanted = (
        (log_ins[0], "/me"),
        (log_ins[0], "/me/week"),
        (log_ins[1], f"/wearers/anna/{TODAY.date}"),
        (log_ins[1], "/wearers/anna"),
        (log_ins[1], "/wearers/anna/report"),
    )
    for log_in, path in wanted:
        client = _client(app, log_in)
        first_ms, spent_ms = _cpu_ms(client, path), min(_cpu_ms(client, path) for _ in range(5))
        note = f"{first_ms:.0f} ms the first time"
        found.append(Budget(f"page {path}, {DAYS} days of history", spent_ms, 300, "ms", note=note))
    store.close()
    clinic.close()
    return found


def roster(folder: Path) -> list[Budget]:
    """The list of WEARERS wearers with four weeks of sums each, read ahead as the server does."""
    store, clinic = EmbeddedStore(folder / "samples.db"), Clinic(folder / "clinic.db")
    fill_day(store, "model", TODAY, 1)
    model = read_day(store, "model", TODAY).exposure
    days = [TODAY.plus(-back) for back in range(1, SUMMED_DAYS + 1)]
    sums = [Result(DAY_SUM, day.start_ns, day.end_ns, body_of(moved(model, day))) for day in days]
    names = [f"p-{n:04d}" for n in range(WEARERS)]
    with clinic.transaction():
        for name in names:
            clinic.add_wearer(name, ZONE.key)
    for name in names:
        write_sample(store, name, TODAY.start_ns)
        store.write_results(name, days[-1].start_ns, TODAY.end_ns, sums, PROVENANCE)
    log_in = make_log_ins(clinic, names[0], renew=False)[1]
    for name in names:
        clinic.grant(log_in.name, name)
    collect_rarely()
    client = _client(_app(store, clinic), log_in)
    _get(client, "/account")  # a process that has shown a page before
    first_ms = _cpu_ms(client, "/wearers")
    spent_ms = min(_cpu_ms(client, "/wearers") for _ in range(5))
    found = [
        Budget(f"list of {WEARERS} wearers, first reading", first_ms, 500, "ms"),
        Budget(f"list of {WEARERS} wearers, read ahead", spent_ms, 500, "ms"),
    ]
    store.close()
    clinic.close()
    return found


def _app(store: EmbeddedStore, clinic: Clinic) -> Flask:
    app = create_app(store, clinic, secret_key="0" * 32, secure_cookies=False, clock_ns=Clock())
    app.config.update(WTF_CSRF_ENABLED=False)
    return app


def _client(app: Flask, log_in: LogIn) -> FlaskClient:
    client = app.test_client()
    form = {"name": log_in.name, "password": log_in.password}
    assert client.post("/login", data=form).status_code == 303
    return client


def _cpu_ms(client: FlaskClient, path: str) -> float:
    """Processor time: what a busy machine does meanwhile is not the page's."""
    begun_s = time.process_time()
    _get(client, path)
    return 1e3 * (time.process_time() - begun_s)


def _get(client: FlaskClient, path: str) -> None:
    assert client.get(path).status_code == 200


def live(folder: Path, binary: str) -> list[Budget]:
    path = folder / "live.parquet"
    write_recording(SyntheticWearer(LIVE_S, 50.0, "T12", 5, story="demo"), path)
    with (
        mosquitto(Path(binary), folder / "broker", (WEARER,)) as broker,
        running(folder, broker, None) as stack,
    ):
        ages_s: list[float] = []
        ended = threading.Event()
        watcher = threading.Thread(target=_watch, args=(stack, ages_s, ended))
        watcher.start()
        try:
            play(
                read_recording(path),
                "movesense",
                wearer=WEARER,
                broker=broker,
                outbox=folder / "outbox.db",
                clock=ScaledClock(1.0, time.time_ns()),
            )
        finally:
            ended.set()
            watcher.join()
    assert len(ages_s) > 10
    note = f"median {np.median(ages_s):.2f} s, {len(ages_s)} changes"
    return [Budget("live: sample to dashboard, p95", np.percentile(ages_s, 95), 2, "s", note=note)]


def _watch(stack: Stack, ages_s: list[float], ended: threading.Event) -> None:
    """How long after its first sample a second's posture appears."""
    address = f"http://127.0.0.1:{stack.http_port}"
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    browser = urllib.request.build_opener(jar)
    page = browser.open(f"{address}/login").read().decode()
    token = page.split('name="csrf-token" content="')[1].split('"')[0]
    log_in = stack.log_ins["patient"]
    form = {"name": log_in.name, "password": log_in.password, "csrf_token": token}
    browser.open(f"{address}/login", urllib.parse.urlencode(form).encode())
    begun_s, last = None, None
    while not ended.wait(0.05):
        state = json.loads(browser.open(f"{address}/api/v1/wearers/{WEARER}/now").read())
        now_s = time.time()
        if state["age_s"] is None:
            continue
        second = round(now_s - state["age_s"]) - 1  # the last second whose posture is known
        if second == last:
            continue
        last = second
        begun_s = begun_s or time.monotonic()
        if time.monotonic() - begun_s > WARM_UP_S:
            ages_s.append(now_s - second)


def measure() -> list[Budget]:
    collect_rarely()
    with tempfile.TemporaryDirectory() as name:
        found = pages(Path(name))
    with tempfile.TemporaryDirectory() as name:
        found += roster(Path(name))
    if binary := shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin"):
        with tempfile.TemporaryDirectory() as name:
            found += live(Path(name), binary)
    else:
        print("live is not measured: apt install mosquitto")
    return found
