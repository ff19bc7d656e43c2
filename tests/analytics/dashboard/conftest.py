"""A clinic with two wearers and six log-ins, a store, days of synthetic results, a browser."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher
from playwright.sync_api import Browser, Page, sync_playwright
from werkzeug.serving import make_server

from analytics.dashboard.app import close_app
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.records import Role
from tests.analytics.dashboard.browsing import ARGUMENTS, Opened, context_of
from tests.analytics.dashboard.synthetic import (
    MINUTE_NS,
    PASSWORD,
    TODAY,
    ZONE,
    Site,
    fill_day,
    site_in,
    write_sample,
)
from tests.servers import PATIENCE_S
from wire.messages import Status


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clinic: wearers anna and ben with a log-in each. dr-lee and the researcher lea may
    see anna; dr-kim and the admin root nobody."""
    path = tmp_path_factory.mktemp("people") / "clinic.db"
    clinic = Clinic(path)
    # A cheap hash: what argon2 costs is its own affair.
    password_hash = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    for wearer in ("anna", "ben"):
        clinic.add_wearer(wearer, ZONE.key)
        clinic.add_user(f"{wearer}-login", password_hash, Role.PATIENT, wearer)
    for name in ("dr-lee", "dr-kim"):
        clinic.add_user(name, password_hash, Role.CLINICIAN)
    clinic.add_user("lea", password_hash, Role.RESEARCHER)
    clinic.add_user("root", password_hash, Role.ADMIN)
    clinic.grant("dr-lee", "anna")
    clinic.grant("lea", "anna")
    status = Status(
        session="01J0000000000000000000000A",
        at_ns=TODAY.start_ns,
        state="streaming",
        battery_pct=83,
    )
    clinic.record_status("anna", "back", status)
    clinic.close()
    return path


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with anna's last nine days up to 15:00 today; nothing on the Sunday."""
    path = tmp_path_factory.mktemp("results") / "samples.db"
    store = EmbeddedStore(path)
    for back in range(9):
        if back != 3:
            fill_day(store, "anna", TODAY.plus(-back), back, 900 if back == 0 else 1500)
    write_sample(store, "anna", TODAY.start_ns + 900 * MINUTE_NS)
    store.close()
    return path


@pytest.fixture
def site(tmp_path: Path, people: Path) -> Iterator[Site]:
    """The clinic of `people` with an empty store."""
    yield from site_in(tmp_path, people)


@pytest.fixture
def filled(tmp_path: Path, people: Path, results: Path) -> Iterator[Site]:
    """The clinic of `people` with the store of `results`."""
    shutil.copy(results, tmp_path / "samples.db")
    yield from site_in(tmp_path, people)


@pytest.fixture
def served(filled: Site) -> Iterator[str]:
    """The filled site on a port of this machine, CSRF protection on."""
    filled.app.config.update(TESTING=False, WTF_CSRF_ENABLED=True)
    server = make_server("127.0.0.1", 0, filled.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.port}"
    close_app(filled.app)
    server.shutdown()
    server.server_close()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


@pytest.fixture(scope="module")
def browser(chromium_bin: Path) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium_bin, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console has to complain about; must stay empty."""
    return []


@pytest.fixture
def opened(browser: Browser, served: str, complaints: list[str]) -> Iterator[Opened]:
    """Opens pages of a size; they are closed before the server is."""
    contexts = []

    def open_page(size: dict[str, int], script: bool = True) -> Page:
        context = context_of(browser, served, size, java_script_enabled=script)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
