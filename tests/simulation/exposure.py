"""The synthetic patient through the whole chain: exposure against truth, the linked trigger found.

    python -m tests.simulation.exposure --days 60 --linked squat_count

Every day is played as a sensor at 50 Hz would feel it, sent as the agent's messages, and goes
through ingest, the embedded store, the worker and the exposure of days; the diary is held against
what came out of that, never against the truth. Minutes of slouching and walking are a sixth of a
usual day's, so that a day takes an hour and a quarter; counts are those of a usual day.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from analytics.day_reading import read_day
from analytics.exposure.association.answer import ASSOCIATED, Association, associate
from analytics.exposure.association.lags import NEXT_DAY, SAME_DAY
from analytics.exposure.association.observations import Exposures, Pain
from analytics.exposure.association.parameters import AssociationParameters
from analytics.exposure.days import Day
from analytics.exposure.triggers import TRIGGERS
from analytics.ingest.triage import Message
from analytics.ingest.writer import Writer
from analytics.store.clinic import Clinic
from analytics.store.embedded import EmbeddedStore
from analytics.store.records import Hold
from analytics.worker import Worker
from trunkline.synthetic.patient import PatientDay, patient, played, true_exposure
from trunkline.synthetic.wearer import SyntheticDay, simulate
from wire.batch import Batch, Channel
from wire.codec import encode
from wire.ids import new_session
from wire.messages import Birth

WEARER: Final = "demo"
ZONE: Final = ZoneInfo("UTC")
RATE_HZ: Final = 50
SECOND_NS: Final = 1_000_000_000
SHORTER: Final = 6.0
"""Of what a usual day has in minutes."""
MOVEMENT_S: Final = 25.0
"""The longest that one movement takes with the pause before it."""
REST_S: Final = 10.0
"""Sent after the last movement; later the body is stiller than anybody who breathes, as a sensor is
that was put aside."""
MOST: Final = 0.03


@dataclass(frozen=True, slots=True)
class Told:
    """A day: what happened, what the chain says of it, and the minutes worn."""

    true: Mapping[str, float]
    told: Mapping[str, float | None]
    worn_min: float


class Chain:
    """Ingest, store, worker and reading of one wearer, in one process."""

    def __init__(self, folder: Path) -> None:
        self.store, self.clinic = EmbeddedStore(folder / "s.db"), Clinic(folder / "c.db")
        self.clinic.add_wearer(WEARER, ZONE.key)
        self.writer = Writer(self.store, self.clinic)

    def day(self, day: PatientDay, seed: int) -> Told:
        """Play it, send it, and read what came of it."""
        amounts = {
            name: amount / SHORTER if name.endswith("_min") else amount
            for name, amount in day.exposure.items()
        }
        moved = sum(amount for name, amount in amounts.items() if not name.endswith("_min"))
        still_min = amounts["slouched_min"] + amounts["walking_min"]
        start = datetime(day.date.year, day.date.month, day.date.day, 9, tzinfo=UTC)
        made = simulate(
            600.0 + still_min * 60 + moved * MOVEMENT_S,
            float(RATE_HZ),
            "T12",
            seed,
            story=played(amounts),
            start_utc=start,
        )
        start_ns = int(start.timestamp()) * SECOND_NS
        self._wears(made, start_ns)
        lived_s = max(movement["end_s"] for movement in made.truth["movements"])
        self.writer.write(list(messages(made, start_ns, lived_s + REST_S)))
        Worker(self.store, self.clinic).tick()
        found = read_day(self.store, WEARER, Day(day.date, ZONE)).exposure.exposure
        told = {name: amount(found) for name, amount in TRIGGERS.items()}
        return Told(true_exposure(made.truth), told, found.worn_min or 0.0)

    def _wears(self, made: SyntheticDay, start_ns: int) -> None:
        axes = {name: axis for name, axis in made.metadata["axes"].items() if axis}
        birth = Birth(new_session(), "test", "T12", float(RATE_HZ), ["accel", "gyro"], axes=axes)
        self.clinic.record_birth(WEARER, "trunk", birth)
        first_ns, last_ns = (
            start_ns + round(at_s * SECOND_NS) for at_s in made.metadata["upright_reference"]
        )
        posture = made.metadata["reference_posture"]
        self.clinic.add_hold(Hold(WEARER, "trunk", first_ns, last_ns, posture, "recording"))

    def close(self) -> None:
        self.store.close()
        self.clinic.close()


def messages(made: SyntheticDay, start_ns: int, until_s: float) -> Iterator[Message]:
    """As the agent sends them, a second each."""
    session = new_session()
    stop = min(round(until_s * RATE_HZ), len(made.t_s))
    for seq, at in enumerate(range(0, stop, RATE_HZ)):
        part = slice(at, at + RATE_HZ)
        accel, gyro = made.accel[part], made.gyro[part]
        batch = Batch(
            session=session,
            seq=seq,
            floor_seq=0,
            t0_ns=start_ns + round(made.t_s[at] * SECOND_NS),
            dt_ns=SECOND_NS // RATE_HZ,
            n=len(accel),
            channels={"accel": Channel(accel), "gyro": Channel(gyro)},
            rx_ns=start_ns,
            clock_err_ns=0,
        )
        yield Message(f"trunkline/v1/{WEARER}/trunk/imu", encode(batch))


def errors(days: Sequence[Told]) -> dict[str, float]:
    """Of each trigger, over all days together: (told - true) / true."""
    found = {}
    for name in TRIGGERS:
        true = sum(day.true[name] for day in days)
        found[name] = (sum(day.told[name] or 0.0 for day in days) - true) / true
    return found


def association(
    lived: Sequence[PatientDay], days: Sequence[Told], parameters: AssociationParameters
) -> Association:
    """Of what the chain told with what was answered, by day."""
    amount = np.array([[day.told[name] for day in days] for name in TRIGGERS], float)
    worn = np.full(len(days), 840.0)  # the hours that were not played were worn
    exposures = Exposures(lived[0].date, tuple(TRIGGERS), amount, worn)
    answers = [(n, hour, pain) for n, day in enumerate(lived) for hour, pain in day.pain.items()]
    number, hour, severity = (np.array(column) for column in zip(*answers, strict=True))
    pain = Pain(number, hour, severity.astype(float))
    return associate(exposures, pain, parameters, (SAME_DAY, NEXT_DAY))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--linked", choices=list(TRIGGERS), default="squat_count")
    parser.add_argument("--seed", type=int, default=2)
    wanted = parser.parse_args()
    begun_s = time.process_time()
    lived = patient(wanted.days, wanted.seed, linked=wanted.linked)
    with tempfile.TemporaryDirectory() as folder:
        chain = Chain(Path(folder))
        days = []
        for n, day in enumerate(lived):
            days.append(chain.day(day, wanted.seed * 1000 + n))
            print(f"\rday {n + 1} of {len(lived)}", end="", file=sys.stderr, flush=True)
        chain.close()
    print(file=sys.stderr)
    spent = f"{(time.process_time() - begun_s) / 60:.1f} min of one core"
    print(f"{len(days)} days, seed {wanted.seed}, {spent}\n")
    print("| Trigger | True | Told | Error % | Largest error of a day |")
    print("|---|---|---|---|---|")
    found = errors(days)
    for name in TRIGGERS:
        true = sum(day.true[name] for day in days)
        told = sum(day.told[name] or 0.0 for day in days)
        worst = max(abs((day.told[name] or 0.0) - day.true[name]) for day in days)
        print(f"| `{name}` | {true:.0f} | {told:.0f} | {100 * found[name]:+.1f} | {worst:.1f} |")
    kept = all(abs(error) <= MOST for error in found.values())
    answers = association(lived, days, AssociationParameters()).answers
    called = [(a.trigger, a.lag) for a in answers if a.answer == ASSOCIATED]
    print(f"\nlinked: {wanted.linked}; associated: {called or 'nothing'}")
    return 0 if kept and called == [(wanted.linked, SAME_DAY)] else 1


if __name__ == "__main__":
    sys.exit(main())
