"""Carries alerts to the broker: topic `alert`, QoS 1, not retained."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from typing import Any, Final

from analytics.broker import Broker, BrokerError
from analytics.store.records import GivenAlert
from wire.topics import Kind, wearer_topic

logger = logging.getLogger(__name__)

MOST_WAITING: Final = 100
STALE_S: Final = 300
"""An alert that could not be delivered for so long is not news any more."""
RETRY_S: Final = 5.0
LOGIN_TIMEOUT_S: Final = 20.0


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
        trouble = ""
        while not stop.is_set():
            try:
                self._publish_while_connected(stop)
            except BrokerError as error:
                if str(error) != trouble:
                    logger.warning("alerts do not reach the broker: %s; trying again", error)
                trouble = str(error)
                stop.wait(RETRY_S)

    def _publish_while_connected(self, stop: threading.Event) -> None:
        client = self._broker.client("", keep_session=False, manual_ack=False)
        answers: list[Any] = []
        client.on_connect = lambda _c, _d, _f, reason, _p: answers.append(reason)
        self._broker.connect(client)
        deadline_s = time.monotonic() + LOGIN_TIMEOUT_S
        try:
            while not stop.is_set():
                if client.loop(0.2):
                    raise BrokerError(
                        f"the connection to the broker at {self._broker.address} ended",
                        "connecting again",
                    )
                if answers and answers[0].is_failure:
                    raise self._broker.refused(answers[0])
                if not answers and time.monotonic() > deadline_s:
                    raise BrokerError(
                        f"the broker at {self._broker.address} does not answer the log-in",
                        "check whether the port expects TLS (--tls-ca)",
                    )
                while answers and not self._waiting.empty():
                    alert = self._waiting.get_nowait()
                    if time.time_ns() - alert.at_ns <= STALE_S * 10**9:
                        client.publish(
                            wearer_topic(alert.wearer, Kind.ALERT), message(alert), qos=1
                        )
        finally:
            client.disconnect()


def message(alert: GivenAlert) -> bytes:
    """JSON: id, at_ns, kind, text."""
    said = {"id": alert.id, "at_ns": alert.at_ns, "kind": alert.kind, "text": alert.text}
    return json.dumps(said, separators=(",", ":")).encode()
