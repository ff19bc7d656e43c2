"""Discovery messages of Home Assistant: one device for each wearer, called by the pseudonym. Pure.

After the documentation of Home Assistant, "MQTT" (discovery messages), "MQTT Sensor" and "MQTT
Binary sensor" (home-assistant.io/integrations/mqtt, /sensor.mqtt, /binary_sensor.mqtt). One message
for each entity: every version since 2021 understands that.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.metadata import version
from types import MappingProxyType
from typing import Any, Final

from analytics.exposure.timeline import POSTURES
from wire.topics import Kind, wearer_topic

PREFIX: Final = "homeassistant"
"""Home Assistant's default; an access list names it too (trunkline.deployment)."""

_AGENT_ONLINE: Final = "{{ 'online' if value_json.state in ['ready', 'sleeping'] else 'offline' }}"

_ENTITIES: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = MappingProxyType(
    {
        "posture": (
            "sensor",
            {
                "name": "Posture",
                "device_class": "enum",
                "options": list(POSTURES),
                "value_template": "{{ value_json.posture }}",
                "icon": "mdi:human-handsdown",
            },
        ),
        "slouched": (
            "binary_sensor",
            {
                "name": "Slouched",
                "value_template": "{{ {true: 'ON', false: 'OFF'}.get(value_json.slouched) }}",
                "icon": "mdi:seat",
            },
        ),
        "slouched_min": (
            "sensor",
            {
                "name": "Slouched today",
                "device_class": "duration",
                "unit_of_measurement": "min",
                "state_class": "total_increasing",
                "value_template": "{{ value_json.today.slouched_min }}",
            },
        ),
        "walking_min": (
            "sensor",
            {
                "name": "Walked today",
                "device_class": "duration",
                "unit_of_measurement": "min",
                "state_class": "total_increasing",
                "value_template": "{{ value_json.today.walking_min }}",
            },
        ),
        "battery": (
            "sensor",
            {
                "name": "Battery",
                "device_class": "battery",
                "unit_of_measurement": "%",
                "state_class": "measurement",
                "entity_category": "diagnostic",
                "value_template": "{{ value_json.battery_pct }}",
            },
        ),
        "alert": (
            "sensor",
            {
                "name": "Alert",
                "value_template": "{{ value_json.text }}",
                "icon": "mdi:bell-outline",
            },
        ),
        "last_seen": (
            "sensor",
            {
                "name": "Last seen",
                "device_class": "timestamp",
                "entity_category": "diagnostic",
                "value_template": "{{ (value_json.last_seen_ns // 1000000000) | timestamp_utc"
                " if value_json.last_seen_ns else None }}",
            },
        ),
    }
)
_OF_THE_MOMENT: Final = ("posture", "slouched", "battery")
"""Unavailable while the agent is away; minutes and "last seen" stay true."""


def discovery(wearer: str) -> dict[str, bytes]:
    """Topic -> payload (retained) of every entity of a wearer."""
    state, alert = wearer_topic(wearer, Kind.STATE), wearer_topic(wearer, Kind.ALERT)
    found = {}
    for entity, (_, about) in _ENTITIES.items():
        message: dict[str, Any] = {
            "unique_id": f"trunkline_{wearer}_{entity}",
            "state_topic": alert if entity == "alert" else state,
            "qos": 1,
            **about,
            "device": {
                "identifiers": [f"trunkline_{wearer}"],
                "name": f"Trunkline {wearer}",
                "manufacturer": "Trunkline",
                "model": "Trunk sensor",
                "sw_version": version("trunkline"),
            },
            "origin": {"name": "Trunkline", "sw_version": version("trunkline")},
        }
        if entity in _OF_THE_MOMENT:
            message["availability"] = [
                {
                    "topic": wearer_topic(wearer, Kind.AGENT_STATE),
                    "value_template": _AGENT_ONLINE,
                    "payload_available": "online",
                    "payload_not_available": "offline",
                }
            ]
        found[_topic(wearer, entity)] = json.dumps(message, separators=(",", ":")).encode()
    return found


def discovery_topics(wearer: str) -> list[str]:
    """Where the messages are retained: an empty one there removes the entity."""
    return [_topic(wearer, entity) for entity in _ENTITIES]


def _topic(wearer: str, entity: str) -> str:
    return f"{PREFIX}/{_ENTITIES[entity][0]}/trunkline-{wearer}/{entity}/config"
