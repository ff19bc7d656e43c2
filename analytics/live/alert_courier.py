"""Carries alerts to the broker: topic `alert`, QoS 1, not retained."""

from __future__ import annotations

import logging
import queue
import threading
import time
from typing import Final

from analytics.broker import Broker, Client, keep_connected
from analytics.store.records import GivenAlert
from wire.messages import Alert
from wire.topics import Kind, wearer_topic

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 100
PULSE_MS: Final = 400
"""Long enough to be felt through a shirt, short enough not to startle."""
STALE_S: Final = 300
"""An alert that could not be delivered for so long is not news any more."""


class AlertCourier:
    """One connection, one thread; `deliver` never waits."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._waiting: queue.Queue[GivenAlert] = queue.Queue(MOST_WAITING)

    def deliver(self, alert: GivenAlert) -> None:
        """Take an alert along; the oldest gives way when too many wait."""
        while True:
            try:
                self._waiting.put_nowait(alert)
            except queue.Full:
                self._waiting.get_nowait()
            else:
                return

    def run(self, stop: threading.Event) -> None:
        """Publish until `stop` is set; a broker that is away is waited for."""
        keep_connected(
            self._broker,
            stop,
            lambda: self._broker.client("", keep_session=False, manual_ack=False),
            lambda client: self._publish(client, stop),
            says="alerts do not reach the broker: %s; trying again",
        )

    def _publish(self, client: Client, stop: threading.Event) -> None:
        while not stop.is_set() and not client.loop(0.2):
            while not self._waiting.empty():
                alert = self._waiting.get_nowait()
                if time.time_ns() - alert.at_ns <= STALE_S * 10**9:
                    client.publish(wearer_topic(alert.wearer, Kind.ALERT), message(alert), qos=1)


def message(alert: GivenAlert) -> bytes:
    """JSON, see wire.messages.Alert."""
    pulse_ms = PULSE_MS if alert.vibrate else 0
    return Alert(alert.id or 0, alert.at_ns, alert.kind, alert.text, pulse_ms).dump()
