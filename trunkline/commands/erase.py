"""`trunkline erase`: remove everything about a wearer."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from trunkline.clinic_access import clinic_in, operator
from trunkline.options import (
    BrokerOptions,
    StoreOptions,
    broker_options,
    open_store,
    store_options,
)
from wire.ids import IdError, check_wearer
from wire.topics import Kind, sensor_topic, wearer_topic

RETAINED_OF_SENSOR = (Kind.BIRTH, Kind.STATUS, Kind.LOSS, Kind.COMMITTED)
RETAINED_OF_WEARER = (Kind.AGENT_STATE, Kind.STATE)


@click.command()
@click.argument("wearer")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--backups-dir",
    envvar="TRUNKLINE_BACKUPS_DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of your backups: put the erasure on record there, too.",
)
@click.option("--without-broker", is_flag=True, help="Leave the broker's retained messages.")
@broker_options
@store_options
def command(
    *,
    wearer: str,
    yes: bool,
    backups_dir: Path | None,
    without_broker: bool,
    broker: BrokerOptions,
    store: StoreOptions,
) -> None:
    """Remove everything about WEARER: records, log-in, diary, samples, results, and what the
    broker retains. The audit keeps that the pseudonym was erased.

    Stop the wearer's agent first and delete its outbox file; exports are yours to delete. What a
    backup holds goes when it is restored, because erased.jsonl in the data directory, and in
    --backups-dir, says who is erased. If a step fails, run the same command again.

    \b
    Example: trunkline erase p-001 --user server --password-file server.password
    """
    try:
        check_wearer(wearer)
    except IdError as error:
        raise click.BadParameter(str(error), param_hint="WEARER") from error
    if not yes:
        click.confirm(f"Remove everything about {wearer}? This cannot be undone.", abort=True)
    from analytics.reanalysis import erase_versions
    from analytics.store import erasures

    with clinic_in(store.data_dir) as clinic:
        samples = open_store(store)
        try:
            sensors = {span.sensor for span in samples.sensors(wearer)}
            sensors |= {sensor.sensor for sensor in clinic.sensors(wearer)}
            if not without_broker:
                _clear_broker(broker, wearer, sensors)
            # On record before anything goes: a restore may follow at any moment.
            for folder in filter(None, (store.data_dir, backups_dir)):
                erasures.record(folder, wearer)
            # People first: from here on ingest refuses what may still arrive.
            clinic.erase(wearer, by=operator())
            samples.erase(wearer)
            erase_versions(store.data_dir, wearer)
        finally:
            samples.close()
    click.echo(f"{wearer} erased")


def _clear_broker(options: BrokerOptions, wearer: str, sensors: set[str]) -> None:
    # Imported late: `--help` and mistakes need no paho.
    from analytics.broker import Broker, BrokerError, clear_retained
    from analytics.live.home_assistant import discovery_topics

    topics = [wearer_topic(wearer, kind) for kind in RETAINED_OF_WEARER]
    topics += [
        sensor_topic(wearer, sensor, kind) for sensor in sensors for kind in RETAINED_OF_SENSOR
    ]
    topics += discovery_topics(wearer)
    try:
        clear_retained(Broker(**dataclasses.asdict(options)), topics)
    except BrokerError as error:
        raise click.ClickException(
            f"{error}. Nothing has been erased; --without-broker leaves the broker out"
        ) from error
