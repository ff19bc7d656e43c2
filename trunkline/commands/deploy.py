"""`trunkline deploy`: the secret files that docker-compose.yml needs."""

from __future__ import annotations

from pathlib import Path

import click

from trunkline.deployment import DEFAULT_HOSTS, CertificateWishes, write_secrets
from trunkline.influx_set_up import InfluxAdmin, set_up_influx
from wire.ids import IdError


@click.command()
@click.option(
    "--secrets-dir",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("deploy/secrets"),
    show_default=True,
    help="Folder for the secret files; keep it out of version control and in your backup.",
)
@click.option(
    "--wearer", "wearers", multiple=True, required=True, help="Pseudonym; may be given repeatedly."
)
@click.option(
    "--host",
    "hosts",
    multiple=True,
    help="Name or address under which agents reach the broker, for its certificate; repeatable. "
    f"[default: {', '.join(DEFAULT_HOSTS)}]",
)
@click.option(
    "--client-certificates",
    is_flag=True,
    help="A certificate for every account too, for a broker with require_certificate.",
)
@click.option(
    "--home-assistant", is_flag=True, help="A broker account for Home Assistant that only reads."
)
@click.option("--tls-renew", is_flag=True, help="New certificates; the authority stays the same.")
@click.option(
    "--influx-url",
    metavar="URL",
    help="Set this InfluxDB up as well: its three databases, and an account for each service that "
    "may do no more than the service needs.",
)
@click.option(
    "--influx-admin",
    metavar="USER",
    help="Administrator of a 1.x, with influx-admin.password.  [default: influx.token, for 2.x]",
)
@click.option("--influx-org", default="trunkline", show_default=True, help="Of a 2.x.")
@click.option("--influx-database", default="trunkline", show_default=True)
@click.option(
    "--keep-raw-days",
    type=click.IntRange(2),
    help="Raw samples leave the server after this; trunkline store archive must run before.  "
    "[default: for good]",
)
@click.option(
    "--keep-results-days",
    type=click.IntRange(2),
    help="Results leave the server after this.  [default: for good]",
)
@click.option(
    "--keep-operations-days",
    type=click.IntRange(2),
    help="How batches came leaves the server after this, not before the raw samples.  "
    "[default: for good]",
)
def command(
    *,
    secrets_dir: Path,
    wearers: tuple[str, ...],
    hosts: tuple[str, ...],
    client_certificates: bool,
    home_assistant: bool,
    tls_renew: bool,
    influx_url: str | None,
    influx_admin: str | None,
    influx_org: str,
    influx_database: str,
    keep_raw_days: int | None,
    keep_results_days: int | None,
    keep_operations_days: int | None,
) -> None:
    """Create the secrets of a deployment: broker accounts and access list, a certificate authority
    and what it signs, database token, session key.

    Running it again keeps what exists and adds accounts for further wearers.

    With --influx-url the server must be running already.

    \b
    Example: trunkline deploy --host server.example --wearer p-001 --wearer p-002
    """
    hosts = tuple(dict.fromkeys((*hosts, *DEFAULT_HOSTS))) if hosts else ()
    wishes = CertificateWishes(hosts, clients=client_certificates, renew=tls_renew)
    try:
        created = write_secrets(secrets_dir, wearers, wishes, home_assistant=home_assistant)
    except IdError as error:
        raise click.BadParameter(str(error), param_hint="--wearer") from error
    except ValueError as error:
        raise click.ClickException(
            f"the certificates cannot be made ({error}); check --host and the files in "
            f"{secrets_dir}"
        ) from error
    except OSError as error:
        raise click.ClickException(
            f"cannot write {secrets_dir} ({error.strerror}); choose another --secrets-dir"
        ) from error
    if influx_url is not None:
        from analytics.store.base import StoreError
        from analytics.store.influx_admin import Retention

        if keep_operations_days and keep_operations_days < (
            keep_raw_days or keep_operations_days + 1
        ):
            raise click.UsageError(
                "--keep-operations-days must not be below --keep-raw-days: the audit and copies "
                "need to know how the samples came"
            )
        try:
            created += set_up_influx(
                secrets_dir,
                InfluxAdmin(influx_url, influx_admin, influx_org),
                influx_database,
                Retention(keep_raw_days, keep_results_days, keep_operations_days),
            )
        except StoreError as error:
            raise click.ClickException(str(error)) from error
    for path in created:
        click.echo(f"new: {path}")
    click.echo(f"{secrets_dir} is complete; next: docker compose up --detach")
