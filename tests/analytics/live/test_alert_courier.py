"""Alerts on their way: to the broker, and to phones."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from analytics.broker import Broker
from analytics.live.alert_courier import AlertCourier
from analytics.live.phone import PhoneError, Phones, read_addresses
from analytics.store.records import GivenAlert
from tests.servers import PATIENCE_S, mosquitto
from tests.trunkline.conftest import MqttClient


@pytest.mark.mosquitto
def test_an_alert_reaches_the_wearers_own_agent_and_nobody_elses(
    mosquitto_bin: Path, tmp_path: Path
) -> None:
    with mosquitto(mosquitto_bin, tmp_path / "broker", ("anna", "ben")) as server:
        broker = Broker(
            "127.0.0.1", server.port, "server", server.password_file("server").read_text()
        )
        courier, stop = AlertCourier(broker), threading.Event()
        clients = {
            name: MqttClient(server.port, name, server.password_file(name).read_text())
            for name in ("anna", "ben")
        }
        for client in clients.values():
            client.subscribe("trunkline/v1/#")
        now_ns = time.time_ns()
        courier.deliver(GivenAlert("anna", now_ns - 3600 * 10**9, "walking", "stale", 1))
        courier.deliver(GivenAlert("anna", now_ns, "slouch", "Sit up?", 2, vibrate=True))
        thread = threading.Thread(target=courier.run, args=(stop,))
        thread.start()
        try:
            topic, payload = clients["anna"].got.get(timeout=PATIENCE_S)
        finally:
            stop.set()
            thread.join(PATIENCE_S)
        assert topic == "trunkline/v1/anna/alert"
        assert json.loads(payload) == {
            "id": 2, "at_ns": now_ns, "kind": "slouch", "text": "Sit up?", "vibrate_ms": 400,
        }  # fmt: skip
        assert clients["ben"].got.empty()
        for client in clients.values():
            client.close()


class FakeApprise:
    """What Phones uses of the package."""

    sent: list[tuple[str, str]] = []  # noqa: RUF012

    def add(self, url: str) -> bool:
        return url.startswith("ntfy://")

    def notify(self, *, title: str, body: str) -> bool:
        self.sent.append((title, body))
        return True


@pytest.fixture
def apprise(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("apprise")
    module.Apprise = FakeApprise
    monkeypatch.setitem(__import__("sys").modules, "apprise", module)


def test_a_phone_gets_the_text_and_no_pseudonym(apprise: None) -> None:
    phones, stop = Phones({"p-001": ["ntfy://topic"]}), threading.Event()
    phones.deliver(GivenAlert("p-002", 1, "slouch", "not this one"))
    phones.deliver(GivenAlert("p-001", 1, "slouch", "Sit up?"))
    thread = threading.Thread(target=phones.run, args=(stop,))
    thread.start()
    deadline_s = time.monotonic() + PATIENCE_S
    while not FakeApprise.sent and time.monotonic() < deadline_s:
        time.sleep(0.02)
    stop.set()
    thread.join(PATIENCE_S)
    assert FakeApprise.sent == [("Trunkline", "Sit up?")]


def test_addresses_that_cannot_be_used(
    apprise: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "phones.toml"
    for text, says in (("p-001 = ", "not TOML"), ('p-001 = "x"', "needs a list")):
        file.write_text(text)
        with pytest.raises(PhoneError, match=says):
            read_addresses(file)
    file.write_text('p-001 = ["ntfy://t"]')
    assert read_addresses(file) == {"p-001": ("ntfy://t",)}
    with pytest.raises(PhoneError, match="address 1 of p-001") as caught:
        Phones({"p-001": ["secret-word"]})
    assert "secret-word" not in str(caught.value)
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    with pytest.raises(PhoneError, match="pip install apprise"):
        Phones({})
