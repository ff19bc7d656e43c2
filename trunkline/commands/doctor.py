"""`trunkline doctor`: what is wrong with this machine and its neighbours, and what to do."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable

import click

from trunkline.options import (
    BrokerOptions,
    StoreOptions,
    broker_options,
    default_data_dir,
    store_options,
)

CHECKS = ("bluetooth", "broker", "store", "clock", "disk")


@click.command()
@click.option(
    "--check",
    "chosen",
    multiple=True,
    type=click.Choice(CHECKS),
    help="Look at this only; repeatable.  [default: everything]",
)
@click.option("--adapter", metavar="HCI", help="Bluetooth adapter, e.g. hci1.  [default: any]")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON list.")
@broker_options
@store_options
def command(
    *,
    chosen: tuple[str, ...],
    adapter: str | None,
    as_json: bool,
    broker: BrokerOptions,
    store: StoreOptions,
) -> None:
    """Check Bluetooth, broker, store, clock and disk: a line each, with what to do.

    Give the options that agent or ingest are started with. Nothing is changed. Exit code 1 when
    something failed.

    \b
    Example: trunkline doctor --broker clinic:8883 --tls-ca ca.pem --user p-001 \\
               --password-file secret --check bluetooth --check broker --check clock
    """
    from analytics.broker import Broker
    from trunkline.doctor import bluetooth, host
    from trunkline.doctor import broker as broker_check
    from trunkline.doctor import store as store_check
    from trunkline.doctor.finding import Finding, Level

    looks: dict[str, Callable[[], list[Finding]]] = {
        "bluetooth": lambda: bluetooth.check(adapter),
        "broker": lambda: broker_check.check(Broker(**dataclasses.asdict(broker))),
        "store": lambda: store_check.check(store),
        "clock": host.check_clock,
        "disk": lambda: [
            *host.check_disk(store.data_dir, "the data"),
            *host.check_disk(default_data_dir(), "the outbox"),
        ],
    }
    found: list[Finding] = []
    for name in chosen or CHECKS:
        for finding in looks[name]():
            found.append(finding)
            if not as_json:
                click.echo(finding.line())
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(finding) for finding in found], indent=2))
    if any(finding.level is Level.FAILED for finding in found):
        sys.exit(1)
