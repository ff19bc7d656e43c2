"""A blocking MQTT client for the tests of broker and deployment."""

from __future__ import annotations

from queue import Queue

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from tests.servers import PATIENCE_S


class MqttClient:
    """Connects at once; `connected` is the broker's word, `got` what arrived."""

    def __init__(
        self, port: int, user: str | None, password: str | None, *, mqtt5: bool = False
    ) -> None:
        self.got: Queue[tuple[str, bytes]] = Queue()
        self.subscribed: Queue[int] = Queue()
        reason: Queue[str] = Queue()
        self.client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            protocol=mqtt.MQTTv5 if mqtt5 else mqtt.MQTTv311,
            reconnect_on_failure=False,
        )
        self.client.username_pw_set(user, password)
        self.client.on_connect = lambda *a: reason.put(str(a[3]))
        self.client.on_message = lambda *a: self.got.put((a[2].topic, a[2].payload))
        self.client.on_subscribe = lambda *a: self.subscribed.put(a[2])
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.connected = reason.get(timeout=PATIENCE_S)

    def subscribe(self, topic: str) -> None:
        self.client.subscribe(topic, qos=1)
        self.subscribed.get(timeout=PATIENCE_S)

    def publish(self, topic: str, payload: bytes | str = b"x") -> None:
        self.client.publish(topic, payload, qos=1).wait_for_publish(PATIENCE_S)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()
