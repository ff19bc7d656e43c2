"""`trunkline associate`: which exposure goes together with which pain, from two tables."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import click

from wire.messages import SITES, SYMPTOMS

LAGS = ("0_2h", "same_day", "next_day")
SCHEMA = "trunkline-association/1"
MAX_BYTES = 64 * 1024 * 1024

_table = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("exposure", type=_table)
@click.argument("diary", type=_table)
@click.option("--trigger", "triggers", multiple=True, help="Column to ask about; again for more.")
@click.option(
    "--lag",
    "lags",
    multiple=True,
    type=click.Choice(LAGS),
    help="Lag to ask about; again for more.",
)
@click.option("--symptom", type=click.Choice(SYMPTOMS), default="pain", show_default=True)
@click.option("--site", type=click.Choice(SITES), help="Only answers about this site.")
@click.option("--time-zone", help="IANA name of where days are counted, for times in UTC.")
@click.option(
    "--permutations",
    type=click.IntRange(100, 100_000),
    default=10_000,
    show_default=True,
    help="Circular shifts that are tried at most.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    *,
    exposure: Path,
    diary: Path,
    triggers: tuple[str, ...],
    lags: tuple[str, ...],
    symptom: str,
    site: str | None,
    time_zone: str | None,
    permutations: int,
    as_json: bool,
) -> None:
    """Say which triggers in EXPOSURE are associated with the pain in DIARY, two CSV files of one
    person.

    EXPOSURE has a column date (or time, for hours), worn_min, and one column for each trigger.
    DIARY has a column date (or time) and pain, 0 to 10. An empty cell means not known.
    docs/association.md explains columns, statistics and answers.

    \b
    Example: trunkline associate exposure_daily.csv diary.csv --trigger slouched_min --json
    """
    from analytics.exposure.association import answer, tables
    from analytics.exposure.association.parameters import AssociationParameters

    zone = _zone(time_zone)
    parameters = dataclasses.replace(AssociationParameters(), permutations=permutations)
    try:
        exposed = tables.read_exposures(
            _lines(exposure), triggers=_unique(triggers), zone=zone, name=exposure.name
        )
        felt = tables.read_pain(
            _lines(diary),
            exposed.exposures.first_day,
            symptom=symptom,
            site=site,
            zone=zone,
            name=diary.name,
        )
        tables.check_clocks(exposed, felt)
    except tables.TableError as error:
        raise click.ClickException(str(error)) from error
    if "0_2h" in lags and not (exposed.hourly and felt.timed):
        raise click.UsageError("--lag 0_2h needs hourly exposure and a diary with times")
    found = answer.associate(exposed.exposures, felt.pain, parameters, lags or None)
    notes = _notes(exposed, found)
    click.echo(
        json.dumps(_json(found, symptom, notes), indent=2)
        if as_json
        else _text(found, symptom, notes)
    )


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise click.ClickException(
                f"{path.name} is larger than {MAX_BYTES >> 20} MB; give daily or hourly rows"
            )
        return path.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    except UnicodeDecodeError as error:
        raise click.ClickException(
            f"{path.name} is not UTF-8 text; save the table as CSV in UTF-8"
        ) from error
    except OSError as error:
        raise click.ClickException(f"cannot read {path.name} ({error.strerror})") from error


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return None if name is None else ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise click.BadParameter(
            f"{name!r} is unknown; use an IANA name such as Europe/Berlin", param_hint="--time-zone"
        ) from error


def _unique(triggers: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(trigger.strip().lower() for trigger in triggers))


def _notes(exposed: Any, found: Any) -> list[str]:
    notes = []
    if not exposed.wear_stated:
        notes.append("there is no column worn_min: everything with a value counts as worn")
    if exposed.in_utc:
        notes.append("times are in UTC and so are the days; --time-zone counts them elsewhere")
    if found.pain_days == 0:
        notes.append("no answer of the diary lies on a day of the exposure table")
    return notes


def _json(found: Any, symptom: str, notes: list[str]) -> dict[str, Any]:
    from analytics.exposure.association import words

    plain = dataclasses.asdict(found)
    for name, say in (
        ("answers", words.sentence),
        ("reverse", words.reverse_sentence),
        ("flares", words.flare_sentence),
    ):
        plain[name] = [
            {**item, "text": say(record, symptom)}
            for item, record in zip(plain[name], getattr(found, name), strict=True)
        ]
    return {"schema": SCHEMA, "symptom": symptom, **plain, "notes": [*notes, words.CAUTION]}


def _text(found: Any, symptom: str, notes: list[str]) -> str:
    from analytics.exposure.association import words

    shifts = "all possible" if found.exact else "drawn at random"
    lines = [
        f"{found.days} days, {found.exposure_days} with exposure, {found.pain_days} with {symptom};"
        f" {found.permutations} circular shifts, {shifts}",
        "",
        *(words.sentence(each, symptom) for each in found.answers),
        "",
        "The other way round:",
        *(words.reverse_sentence(each, symptom) for each in found.reverse),
        "",
        "Flares against calm times (case-crossover):",
        *(words.flare_sentence(each, symptom) for each in found.flares),
        "",
        *(f"Note: {note}." for note in notes),
        words.CAUTION,
    ]
    return "\n".join(lines)
