"""Publishes the live state of every wearer, retained, until it is stopped."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from analytics.broker import Broker, Client, Retry, keep_connected
from analytics.dashboard.readings import Now, Readings
from analytics.day_reading import DayReading
from analytics.live.home_assistant import discovery
from analytics.live.state import live_state
from analytics.store.base import Store, StoreError
from analytics.store.clinic import Clinic
from analytics.store.records import ClinicError, Wearer
from wire.topics import Kind, wearer_topic

logger = logging.getLogger(__name__)

EVERY_S: Final = 1.0
DAY_S: Final = 20.0
"""The day so far is read again this often, and when posture, slouching or its counts change."""
REST_S: Final = 60.0
"""A wearer without live data is told again this often; the last words stay retained."""
MAX_RETRY_S: Final = 15.0
_SAYS: Final = "the live state is not published: %s; trying again"


@dataclass(slots=True)
class _Wearer:
    """What is kept of one wearer between two looks."""

    said: dict[str, Any] = field(default_factory=dict)
    said_s: float = float("-inf")
    day: DayReading | None = None
    day_s: float = float("-inf")
    read_at: tuple[str | None, bool | None, str] = (None, None, "")
    """Posture, slouching and events when the day was read."""


class LivePublisher:
    """One connection, one thread. `home_assistant`: announce every wearer there as a device."""

    def __init__(
        self,
        broker: Broker,
        store: Store,
        clinic: Clinic,
        *,
        home_assistant: bool = False,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._broker, self._clinic = broker, clinic
        self._readings = Readings(store, clinic, clock_ns)
        self._home_assistant = home_assistant
        self._known: dict[str, _Wearer] = {}

    def run(self, stop: threading.Event) -> None:
        """Publish until `stop` is set; a broker or store that is away is waited for."""
        keep_connected(
            self._broker,
            stop,
            lambda: self._broker.client("", keep_session=False, manual_ack=False),
            lambda client: self._publish(client, stop),
            says=_SAYS,
        )

    def _publish(self, client: Client, stop: threading.Event) -> None:
        self._known.clear()  # another broker may know nothing
        retry, is_up = Retry(MAX_RETRY_S, _SAYS), True
        while is_up and not stop.is_set():
            wait_s = EVERY_S
            try:
                self._look_at_all(client)
            except (StoreError, ClinicError) as error:
                wait_s = retry.failed(error)
            else:
                retry.succeeded("the live state is published again")
            is_up = _serve(client, stop, wait_s)

    def _look_at_all(self, client: Client) -> None:
        wearers = self._clinic.wearers()
        for gone in self._known.keys() - {wearer.wearer for wearer in wearers}:
            del self._known[gone]
        for wearer in wearers:
            if wearer.wearer not in self._known:
                self._known[wearer.wearer] = _Wearer()
                if self._home_assistant:
                    for topic, payload in discovery(wearer.wearer).items():
                        client.publish(topic, payload, qos=1, retain=True)
            self._look_at(client, wearer, self._known[wearer.wearer])

    def _look_at(self, client: Client, wearer: Wearer, known: _Wearer) -> None:
        now_s, now = time.monotonic(), self._readings.now(wearer.wearer)
        if not now.live and now_s - known.said_s < REST_S and not known.said.get("live"):
            return
        state = live_state(self._day(wearer, known, now), now, self._readings.clock_ns())
        if {**state, "at_ns": 0} != {**known.said, "at_ns": 0} or now_s - known.said_s >= REST_S:
            topic = wearer_topic(wearer.wearer, Kind.STATE)
            client.publish(topic, json.dumps(state, separators=(",", ":")), qos=1, retain=True)
            known.said, known.said_s = state, now_s

    def _day(self, wearer: Wearer, known: _Wearer, now: Now) -> DayReading:
        today = self._readings.today(wearer.zone)
        present = now.posture, now.slouched, self._readings.events(wearer.wearer)
        now_s = time.monotonic()
        is_current = known.day is not None and known.day.day == today
        if not is_current or present != known.read_at or now_s - known.day_s > DAY_S:
            known.day = self._readings.day(wearer.wearer, today)
            known.day_s, known.read_at = now_s, present
        assert known.day is not None  # noqa: S101 - read just now, or current
        return known.day


def _serve(client: Client, stop: threading.Event, seconds: float) -> bool:
    """Let paho work until the next look; False when the connection has ended."""
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s and not stop.is_set():
        if client.loop(0.2):
            return False
    return True
