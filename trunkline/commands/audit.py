"""`trunkline audit`: what the agents sent against what the store holds."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, date, datetime

import click

from analytics.audit.account import Reason, SensorAccount
from analytics.audit.gather import audit_day
from analytics.store.base import StoreError
from analytics.store.records import ClinicError
from trunkline.options import StoreOptions, open_clinic, open_store, store_options


@click.command()
@click.option("--day", "day_text", metavar="YYYY-MM-DD", help="Local day.  [default: today]")
@click.option("--wearer", help="Only this wearer.  [default: everybody]")
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document.")
@store_options
def command(
    *, day_text: str | None, wearer: str | None, as_json: bool, store: StoreOptions
) -> None:
    """Compare what the agents sent with what the store holds, and say why samples are missing.

    Exit code 1 when anything is missing without a reason on record, or stored twice. The worker
    does this by itself for every day that is over; docs/audit.md explains the reasons.

    \b
    Example: trunkline audit --day 2026-03-02 --wearer p-001
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    day = _day(day_text)
    clinic, samples = open_clinic(store), open_store(store)
    found: list[tuple[str, date, SensorAccount]] = []
    try:
        for one in [clinic.wearer(wearer)] if wearer else clinic.wearers():
            local = day or datetime.now(UTC).astimezone(one.zone).date()
            accounts = audit_day(samples, clinic, one.wearer, local)
            found += [(one.wearer, local, account) for account in accounts]
            if not as_json:
                _show(one.wearer, local, accounts)
    except (ClinicError, StoreError) as error:
        raise click.ClickException(str(error)) from error
    finally:
        samples.close()
        clinic.close()
    if as_json:
        rows = [
            {"wearer": name, "day": local.isoformat(), "sound": account.is_sound} | account.json()
            for name, local, account in found
        ]
        click.echo(json.dumps(rows, indent=2))
    if not all(account.is_sound for _, _, account in found):
        sys.exit(1)


_WORDS = {
    Reason.CONNECTED: "lost while the sensor was connected",
    Reason.DISCONNECTED: "sensor out of range or off",
    Reason.RESTARTED: "no agent ran: killed, or a power cut",
    Reason.DROPPED: "given up by the agent, on record",
    Reason.REFUSED: "refused by the store, see dead letters",
    Reason.NOT_COMMITTED: "on their way, the agent keeps them",
    Reason.UNEXPLAINED: "UNEXPLAINED",
}


def _show(wearer: str, day: date, accounts: list[SensorAccount]) -> None:
    click.echo(f"{wearer}  {day}" + ("" if accounts else "  nothing was sent"))
    for account in accounts:
        share = 100 * account.stored / max(1, account.expected)
        verdict = "" if account.is_sound else "  NOT AS IT SHOULD BE"
        click.echo(
            f"  {account.sensor}: {account.stored} of {account.expected} samples stored "
            f"({share:.3f} %){verdict}"
        )
        if account.backfilled:
            click.echo(f"    {account.backfilled} of them from the sensor's own memory")
        for reason, words in _WORDS.items():
            if account.missing[reason]:
                click.echo(f"    {account.missing[reason]} {words}")
        if account.duplicates:
            click.echo(f"    {account.duplicates} STORED TWICE")
        if account.no_agent_s:
            click.echo(f"    {account.no_agent_s:.0f} s without a running agent")


def _day(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise click.BadParameter(
            f"{text!r} is no day; write it as 2026-03-02", param_hint="--day"
        ) from error
