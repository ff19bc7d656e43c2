"""`trunkline calibrate`: a guided calibration, or when a sensor was held upright."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import click

from analytics.guidance import Standing, plan, standing
from analytics.store.clinic import Clinic
from analytics.store.records import CalibrationStep, GuidedCalibration, Hold
from analytics.trunk_sensor import trunk_sensor
from trunkline.clinic_access import clinic_in, instant_ns, operator
from trunkline.options import data_dir_option
from wire.ids import IdError, check_sensor, new_session
from wire.messages import CALIBRATION_STEPS, MAX_DISTANCE_M

ANSWER_NS: Final = 45_000_000_000
"""The worker waits 20 s for samples that do not come."""
POLL_S: Final = 0.2
WHAT_TO_DO: Final = {
    "stand": "Stand upright as usual, arms down, and keep still.",
    "sit_tall": "Sit on the edge of a seat, as tall as you can, and keep still.",
    "slouch": "Stay seated, sink down with a round back as far as you can, and keep still.",
    "bend": "Stand, bend straight forward as if to touch your knees, and come back up.",
    "walk": "Stand at the beginning of the way, walk along it as usual, and stop.",
}


@click.command()
@click.option("--wearer", required=True, help="Pseudonym of the wearer.")
@click.option("--sensor", help="Id of the sensor.  [default: the one on the trunk]")
@click.option(
    "--step",
    "steps",
    type=click.Choice(CALIBRATION_STEPS),
    multiple=True,
    help="Only this step; repeatable. stand is always among them.  [default: all five]",
)
@click.option(
    "--distance-m",
    type=click.FloatRange(1, MAX_DISTANCE_M),
    default=10.0,
    show_default=True,
    help="Length of the way that is walked.",
)
@click.option(
    "--attempts",
    type=click.IntRange(1, 20),
    default=3,
    show_default=True,
    help="How often a step may be done.",
)
@click.option("--from", "start", help="Instead: an upright hold began then, ISO 8601 with zone.")
@click.option("--to", "end", help="... and ended then.")
@click.option("--posture", type=click.Choice(["sitting", "standing"]), help="... in this posture.")
@click.option("--list", "listing", is_flag=True, help="Instead: the calibrations there are.")
@click.option("--json", "as_json", is_flag=True, help="Print the calibration as JSON.")
@data_dir_option
def command(
    *,
    wearer: str,
    sensor: str | None,
    steps: Sequence[str],
    distance_m: float,
    attempts: int,
    start: str | None,
    end: str | None,
    posture: str | None,
    listing: bool,
    as_json: bool,
    data_dir: Path,
) -> None:
    """Guide WEARER through stand, sit tall, slouch, bend and walk, and look at each step at once.

    The sensor must be sending and the worker running (`trunkline up` does both). A step that was
    not done as asked says why and is done again. What is made of the steps that passed counts from
    now on and gets a number; the one before keeps its time.

    With --from, --to and --posture nobody is guided: the wearer was quiet and upright then.

    \b
    Example: trunkline calibrate --wearer p-001
    Example: trunkline calibrate --wearer p-001 --sensor trunk --posture standing \\
        --from 2026-03-02T08:00:00+01:00 --to 2026-03-02T08:00:10+01:00
    """
    if sensor is not None:
        _check(sensor)
    with clinic_in(data_dir) as clinic:
        clinic.wearer(wearer)
        if listing:
            _show(clinic.calibrations(wearer, sensor), as_json)
        elif start or end or posture:
            if not (sensor and start and end and posture):
                raise click.UsageError("a hold needs all of --sensor, --from, --to and --posture")
            _hold(clinic, Hold(wearer, sensor, *_span_ns(start, end), posture, "cli"))
        else:
            sensor = sensor or trunk_sensor(clinic, wearer)
            if sensor is None:
                raise click.ClickException(
                    f"no sensor on the trunk of {wearer} is known yet; start its agent"
                )
            guide = _Guide(clinic, wearer, sensor, new_session(), distance_m, attempts)
            chosen = [s for s in CALIBRATION_STEPS if not steps or s in {"stand", *steps}]
            _show([guide.lead(chosen)], as_json)


@dataclass(frozen=True, slots=True)
class _Guide:
    """Leads one wearer through the steps of one session."""

    clinic: Clinic
    wearer: str
    sensor: str
    session: str
    distance_m: float
    attempts: int

    def lead(self, steps: Sequence[str]) -> GuidedCalibration:
        """A failed step other than standing is left out in the end."""
        self.clinic.audit(operator(), "calibrate", self.wearer, self.sensor)
        for step in steps:
            passed = any(self._do(step) for _ in range(self.attempts))
            if step == "stand" and not passed:
                raise click.ClickException("without standing still there is no calibration")
        found = self._now()
        if found.version is None:
            if found.quality not in {"good", "rough"}:
                raise click.ClickException("no calibration came of it; stand still and try again")
            self.clinic.accept_calibration(self.wearer, self.session)
        return self._now()

    def _do(self, step: str) -> bool:
        """Whether one attempt passed."""
        click.echo(f"\n{step}: {WHAT_TO_DO[step]}", err=True)
        planned = plan(step, time.time_ns(), self.distance_m if step == "walk" else None)
        self.clinic.add_calibration_step(
            self.wearer, self.sensor, self.session, planned, source="cli"
        )
        until_ns = planned.end_ns + ANSWER_NS
        told = Standing("", 0)
        while True:
            done = next(x for x in self._now().steps if x.step == step)
            now = standing(done, time.time_ns())
            if now.state in {"passed", "failed"}:
                click.echo(_verdict(done), err=True)
                return now.state == "passed"
            if now != told:
                told = now
                click.echo(_countdown(now), err=True)
            if time.time_ns() > until_ns:
                raise click.ClickException(
                    "nobody looks at the step; is the worker running? See: trunkline worker --help"
                )
            time.sleep(POLL_S)

    def _now(self) -> GuidedCalibration:
        found = self.clinic.calibrations(self.wearer, self.sensor)
        return next(one for one in found if one.session == self.session)


def _countdown(now: Standing) -> str:
    words = {"ready": f"  get ready: {now.left_s}", "running": f"  now: {now.left_s}"}
    return words.get(now.state, "  being looked at ...")


def _verdict(step: CalibrationStep) -> str:
    said = f" {step.message}" if step.message else ""
    return ("  well done." if step.passed else "  not yet.") + said


def _show(found: Sequence[GuidedCalibration], as_json: bool) -> None:
    if as_json:
        plain = [asdict(one) for one in found]
        click.echo(json.dumps(plain, indent=2))
        return
    for one in found:
        passed = ", ".join(step.step for step in one.steps if step.passed) or "nothing"
        number = "not accepted" if one.version is None else f"number {one.version}"
        click.echo(f"{one.sensor}: calibration {number}, {one.quality or 'open'} ({passed})")


def _hold(clinic: Clinic, hold: Hold) -> None:
    with clinic.transaction():
        clinic.add_hold(hold)
        clinic.audit(operator(), "calibrate", hold.wearer, hold.sensor)
    click.echo(f"upright reference of {hold.wearer} {hold.sensor} recorded")


def _span_ns(start: str, end: str) -> tuple[int, int]:
    start_ns, end_ns = instant_ns(start, "--from"), instant_ns(end, "--to")
    if not 0 <= start_ns < end_ns < 2**63:
        raise click.UsageError(f"--to {end} is not after --from {start}, or out of range")
    return start_ns, end_ns


def _check(sensor: str) -> None:
    try:
        check_sensor(sensor)
    except IdError as error:
        raise click.BadParameter(str(error), param_hint="--sensor") from error
