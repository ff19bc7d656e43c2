"""The live state: what it says, that Home Assistant understands it, and that it is published."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jinja2
import pytest

from analytics.broker import Broker
from analytics.dashboard.readings import Readings
from analytics.live.home_assistant import discovery, discovery_topics
from analytics.live.publisher import LivePublisher
from analytics.live.state import live_state, since
from analytics.store.base import Result
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from tests.analytics.dashboard.synthetic import (
    MINUTE_NS,
    PROVENANCE,
    TODAY,
    ZONE,
    Clock,
    fill_day,
    minute_result,
    runs_result,
    write_sample,
)
from tests.servers import PATIENCE_S, Mosquitto, mosquitto
from tests.trunkline.conftest import MqttClient
from trunkline.deployment import CertificateWishes, write_secrets
from wire.messages import AgentState, AgentStatus, Status
from wire.topics import Kind, wearer_topic

S = 10**9
NOW_NS = TODAY.start_ns + 901 * MINUTE_NS  # 15:01, and anna's day is known until then
SLOUCHED_S = 45


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[tuple[EmbeddedStore, Clinic]]:
    """Anna's day until 15:01; in its last minute she sits, the last 45 s of it slouched."""
    store, clinic = EmbeddedStore(tmp_path / "samples.db"), Clinic(tmp_path / "clinic.db")
    clinic.add_wearer("anna", ZONE.key)
    clinic.record_status("anna", "back", Status("0" * 26, 1, "streaming", battery_pct=83))
    fill_day(store, "anna", TODAY, 0, 900)
    last(store, [False] * (60 - SLOUCHED_S) + [True] * SLOUCHED_S)
    write_sample(store, "anna", NOW_NS - S)
    yield store, clinic
    store.close()
    clinic.close()


def last(store: EmbeddedStore, slouched: list[bool], **columns: Any) -> None:
    """Write the minute before now."""
    minute = minute_result(NOW_NS - MINUTE_NS, {"slouched": slouched, **columns})
    store.write_results("anna", minute.start_ns, NOW_NS, [minute, runs_result(minute)], PROVENANCE)


def told(store: EmbeddedStore, clinic: Clinic, now_ns: int = NOW_NS) -> dict[str, Any]:
    readings = Readings(store, clinic, lambda: now_ns)
    return live_state(readings.day("anna", TODAY), readings.now("anna"), now_ns)


def test_posture_timers_and_the_day_so_far(stored: tuple[EmbeddedStore, Clinic]) -> None:
    state = told(*stored)
    assert (state["live"], state["posture"], state["slouched"]) == (True, "sitting", True)
    assert state["slouched_s"] == SLOUCHED_S
    assert state["walking_s"] is None
    sitting_since = (state["posture_since_ns"] - TODAY.start_ns) / MINUTE_NS
    assert 780 < sitting_since < 900  # the plan's last change before 15:00 is at 790
    assert state["battery_pct"] == 83
    today = state["today"]
    exposure = Readings(*stored, lambda: NOW_NS).day("anna", TODAY).exposure.exposure
    assert today["date"] == "2026-06-10"
    assert today["worn_min"] == round(exposure.worn_min or 0, 1)
    assert today["slouched_min"] > 60
    assert today["movements"]["sit_to_stand"] == exposure.movements["sit_to_stand"]
    assert json.loads(json.dumps(state, allow_nan=False)) == state


def test_walking_has_a_timer(stored: tuple[EmbeddedStore, Clinic]) -> None:
    last(stored[0], [None] * 60, posture=["sitting"] * 20 + ["walking"] * 40)  # type: ignore[list-item]
    state = told(*stored)
    assert (state["posture"], state["walking_s"], state["slouched_s"]) == ("walking", 40, None)


def test_without_live_data_the_moment_is_unknown_and_the_day_stays(
    stored: tuple[EmbeddedStore, Clinic],
) -> None:
    state = told(*stored, now_ns=NOW_NS + 90 * S)
    moment = ("posture", "posture_since_ns", "slouched", "slouched_s", "walking_s", "worn")
    assert [state[name] for name in moment] == [None] * 6
    assert state["live"] is False
    assert state["last_seen_ns"] == NOW_NS
    assert state["today"]["slouched_min"] > 60


def test_a_posture_that_the_day_does_not_know_yet_begins_now(
    stored: tuple[EmbeddedStore, Clinic],
) -> None:
    readings = Readings(*stored, lambda: NOW_NS)
    day = readings.day("anna", TODAY)
    last(stored[0], [None] * 60, posture=["sitting"] * 59 + ["standing"])  # type: ignore[list-item]
    begun = since(day, readings.now("anna"), NOW_NS)
    assert begun.posture_ns == NOW_NS


# --- Home Assistant ---------------------------------------------------------------------------

DOCUMENTED = {
    "sensor": {
        *("name", "unique_id", "state_topic", "value_template", "device_class", "state_class"),
        *("unit_of_measurement", "options", "icon", "entity_category", "availability", "device"),
        *("origin", "qos"),
    },
    "binary_sensor": {
        *("name", "unique_id", "state_topic", "value_template", "device_class", "icon"),
        *("entity_category", "availability", "device", "origin", "qos"),
    },
}
"""Of home-assistant.io/integrations/sensor.mqtt and /binary_sensor.mqtt, what may stand there."""
UNITS = {"duration": {"d", "h", "min", "s", "ms"}, "battery": {"%"}, "enum": {None}}
"""Of developers.home-assistant.io/docs/core/entity/sensor: units that a device class allows."""


def render(template: str, payload: bytes) -> str:
    """As Home Assistant does: value_json is the payload; only the filter that we use."""
    environment = jinja2.Environment(autoescape=False)
    environment.filters["timestamp_utc"] = lambda at: datetime.fromtimestamp(at, UTC).isoformat()
    return environment.from_string(template).render(value_json=json.loads(payload))


def test_every_entity_is_as_documented_and_understands_the_state(
    stored: tuple[EmbeddedStore, Clinic],
) -> None:
    payload = json.dumps(told(*stored)).encode()
    nothing = json.dumps(told(*stored, now_ns=NOW_NS + 90 * S)).encode()
    messages = {topic: json.loads(text) for topic, text in discovery("anna").items()}
    assert list(messages) == discovery_topics("anna")
    values, later = {}, {}
    for topic, message in messages.items():
        prefix, component, node, entity, end = topic.split("/")
        assert (prefix, node, end) == ("homeassistant", "trunkline-anna", "config")
        assert set(message) <= DOCUMENTED[component]
        source = Kind.ALERT if entity == "alert" else Kind.STATE
        assert message["state_topic"] == wearer_topic("anna", source)
        assert message["device"]["identifiers"] == ["trunkline_anna"]
        kind = message.get("device_class")
        assert message.get("unit_of_measurement") in UNITS.get(kind, {None})
        if kind in {"enum", "timestamp"}:
            assert "state_class" not in message
        values[entity] = render(message["value_template"], payload)
        later[entity] = render(message["value_template"], nothing)
        if entity == "posture":
            assert values[entity] in message["options"]
    assert len({message["unique_id"] for message in messages.values()}) == len(messages)
    assert values["slouched"] == "ON"
    assert float(values["slouched_min"]) > 60
    assert values["battery"] == "83"
    assert datetime.fromisoformat(values["last_seen"]).timestamp() == NOW_NS // S
    assert (later["posture"], later["slouched"]) == (
        "None",
        "None",
    )  # unknown, by the documentation


@pytest.mark.parametrize(
    ("state", "is_there"), [(s, s in {"ready", "sleeping"}) for s in AgentState]
)
def test_availability_follows_the_agent(state: AgentState, is_there: bool) -> None:
    topic = next(topic for topic in discovery_topics("anna") if topic.endswith("posture/config"))
    (availability,) = json.loads(discovery("anna")[topic])["availability"]
    assert availability["topic"] == "trunkline/v1/anna/agent/state"
    payload = AgentStatus("0" * 26, state, 1).dump()
    said = render(availability["value_template"], payload)
    assert said == availability["payload_available" if is_there else "payload_not_available"]


# --- publishing ---------------------------------------------------------------------------------


@pytest.mark.mosquitto
def test_it_is_published_retained_and_home_assistant_may_read_it(
    mosquitto_bin: Path, tmp_path: Path, stored: tuple[EmbeddedStore, Clinic]
) -> None:
    folder = tmp_path / "broker"
    write_secrets(folder / "secrets", ["anna"], CertificateWishes(), home_assistant=True)
    with mosquitto(mosquitto_bin, folder, ("anna",)) as server:
        clock, stop = Clock(NOW_NS), threading.Event()
        password = server.password_file("server").read_text()
        publisher = LivePublisher(
            Broker("127.0.0.1", server.port, "server", password),
            *stored,
            home_assistant=True,
            clock_ns=clock,
        )
        thread = threading.Thread(target=publisher.run, args=(stop,))
        thread.start()
        try:
            _see(server, clock, stored[0])
        finally:
            stop.set()
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


def _see(server: Mosquitto, clock: Clock, store: EmbeddedStore) -> None:
    home = MqttClient(server.port, "home-assistant", _password(server, "home-assistant"))
    home.subscribe("trunkline/v1/#")
    topic, payload = home.got.get(timeout=PATIENCE_S)
    assert topic == "trunkline/v1/anna/state"
    assert json.loads(payload)["slouched"] is True
    bends = json.loads(payload)["today"]["movements"]["forward_bend"]
    at_ns = NOW_NS - 3 * S
    bend = Result("movement", at_ns, at_ns + S, {"kind": "forward_bend"})
    store.write_results("anna", at_ns, at_ns + S, [bend], PROVENANCE)
    # nothing else has changed: a count is noticed by itself
    _, payload = home.got.get(timeout=PATIENCE_S)
    assert json.loads(payload)["today"]["movements"]["forward_bend"] == bends + 1
    clock.now_ns += 60 * S  # the sensor falls silent
    while json.loads(home.got.get(timeout=PATIENCE_S)[1])["live"]:
        pass
    home.subscribe("homeassistant/#")
    seen = {home.got.get(timeout=PATIENCE_S)[0] for _ in discovery_topics("anna")}
    assert seen == set(discovery_topics("anna"))
    # it reads no samples and may not pass for an agent
    agent = MqttClient(server.port, "anna", _password(server, "anna"))
    agent.publish("trunkline/v1/anna/trunk/imu")
    home.publish("trunkline/v1/anna/state", b"forged")
    agent.publish("trunkline/v1/anna/agent/state", b"last")
    assert home.got.get(timeout=PATIENCE_S) == ("trunkline/v1/anna/agent/state", b"last")
    late = MqttClient(server.port, "anna", _password(server, "anna"))
    late.subscribe("trunkline/v1/anna/state")
    assert json.loads(late.got.get(timeout=PATIENCE_S)[1])["live"] is False  # retained, not forged
    for client in (home, agent, late):
        client.close()


def _password(server: Mosquitto, account: str) -> str:
    return server.password_file(account).read_text()
