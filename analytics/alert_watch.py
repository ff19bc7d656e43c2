"""Looks at every wearer each second and gives the alerts that are due."""

from __future__ import annotations

import dataclasses
import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from analytics.exposure.alerts import FELT, AlertSettings, AlertSettingsError, Memory, decide, text
from analytics.exposure.days import NS_PER_S, Day
from analytics.exposure.present import HOUR_NS, present
from analytics.exposure.timeline import timeline
from analytics.store.base import Store, StoreError
from analytics.store.clinic import Clinic
from analytics.store.records import GivenAlert, Wearer

logger = logging.getLogger(__name__)

EVERY_S = 1.0
RETRY_S = 5.0
LOOK_BACK_NS = 4 * HOUR_NS
"""A spell longer than this has crossed every limit that can be set."""
REST_BACK_NS = 24 * HOUR_NS

Deliver = Callable[[GivenAlert], None]


class AlertWatch:
    """An alert is put on record before it is delivered, so that a restart gives none twice."""

    def __init__(
        self,
        store: Store,
        clinic: Clinic,
        deliver: Sequence[Deliver] = (),
        *,
        clock_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._store, self._clinic, self._deliver = store, clinic, deliver
        self._clock_ns = clock_ns
        self._memory: dict[str, Memory] = {}

    def run(self, stop: threading.Event) -> None:
        """Look until `stop` is set; a store that does not answer is waited for."""
        trouble = ""
        while not stop.is_set():
            try:
                self.look()
                trouble = ""
            except StoreError as error:
                if str(error) != trouble:
                    logger.warning("no alerts: %s; trying again", error)
                trouble = str(error)
                stop.wait(RETRY_S)
            stop.wait(EVERY_S)

    def look(self) -> list[GivenAlert]:
        """Look at everybody once; returns what was given."""
        found = []
        for wearer in self._clinic.wearers():
            if wearer.settings.alerts_on:
                found += self._look_at(wearer)
            else:
                self._memory.pop(wearer.wearer, None)
        return found

    def _look_at(self, wearer: Wearer) -> list[GivenAlert]:
        name, now_ns, zone = wearer.wearer, self._clock_ns(), wearer.zone
        settings = settings_of(self._clinic, wearer)
        start_ns = now_ns - LOOK_BACK_NS
        start_ns -= start_ns % NS_PER_S
        minutes = self._store.read_results(name, "timeline_runs", start_ns, now_ns)
        now = present(
            timeline(minutes, start_ns, now_ns - now_ns % NS_PER_S + NS_PER_S),
            self._store.read_results(name, "movement", now_ns - HOUR_NS, now_ns),
            now_ns=now_ns,
            last_sample_ns=max((s.last_ns for s in self._store.sensors(name)), default=None),
            battery_pct=min(
                (
                    sensor.status.battery_pct
                    for sensor in self._clinic.sensors(name)
                    if sensor.status is not None and sensor.status.battery_pct is not None
                ),
                default=None,
            ),
        )
        memory, kind = decide(
            self._memory.get(name) or self._remembered(name, now_ns, zone),
            now,
            settings,
            on=True,
            resting=resting(self._clinic, name, settings, now_ns),
            now_ns=now_ns,
            local=datetime.fromtimestamp(now_ns // NS_PER_S, zone),
        )
        self._memory[name] = memory
        if kind is None:
            return []
        alert = GivenAlert(
            name, now_ns, kind, text(kind, now), vibrate=settings.vibrate and kind in FELT
        )
        alert = dataclasses.replace(alert, id=self._clinic.add_alert(alert))
        for deliver in self._deliver:
            deliver(alert)
        return [alert]

    def _remembered(self, wearer: str, now_ns: int, zone: ZoneInfo) -> Memory:
        """After a restart: the day's alerts count, and what they spoke of is taken as told."""
        today = Day.at(now_ns, zone)
        earlier = self._clinic.alerts(wearer, now_ns - REST_BACK_NS, now_ns + 1)
        return Memory(
            day=today.date,
            given=sum(alert.at_ns >= today.start_ns for alert in earlier),
            last_ns=max((alert.at_ns for alert in earlier), default=None),
            told=frozenset(a.kind for a in earlier if a.at_ns >= now_ns - LOOK_BACK_NS),
        )


def settings_of(clinic: Clinic, wearer: Wearer) -> AlertSettings:
    """What the wearer allows, the clinician's limits filled in where the wearer set none."""
    try:
        settings = AlertSettings.from_dict(clinic.alert_settings(wearer.wearer))
    except (AlertSettingsError, TypeError):
        logger.warning("alert settings of a wearer cannot be used; using the usual ones")
        settings = AlertSettings()
    own = wearer.settings
    return dataclasses.replace(
        settings,
        slouch_after_min=settings.slouch_after_min or own.slouch_bout_min_s / 60,
        walking_after_min=settings.walking_after_min or own.walking_limit_s / 60,
    )


def resting(clinic: Clinic, wearer: str, settings: AlertSettings, now_ns: int) -> bool:
    """Whether "I rest now" holds: the latest pause has not been ended and is not over."""
    marks = [
        mark
        for mark in clinic.marks(wearer, now_ns - REST_BACK_NS, now_ns + 1)
        if mark.kind in {"pause", "resume"}
    ]
    if not marks or marks[-1].kind == "resume":
        return False
    return now_ns - marks[-1].at_ns < settings.rest_min * 60 * NS_PER_S
