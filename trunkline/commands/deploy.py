"""`trunkline deploy`: the secret files that docker-compose.yml needs."""

from __future__ import annotations

from pathlib import Path

import click

from trunkline.deployment import write_secrets
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
def command(secrets_dir: Path, wearers: tuple[str, ...]) -> None:
    """Create the secrets of a deployment: broker accounts and ACL, database token, session key.

    Running it again keeps what exists and adds accounts for further wearers.

    \b
    Example: trunkline deploy --wearer p-001 --wearer p-002
    """
    try:
        created = write_secrets(secrets_dir, wearers)
    except IdError as error:
        raise click.BadParameter(str(error), param_hint="--wearer") from error
    except OSError as error:
        raise click.ClickException(
            f"cannot write {secrets_dir} ({error.strerror}); choose another --secrets-dir"
        ) from error
    for path in created:
        click.echo(f"new: {path}")
    click.echo(f"{secrets_dir} is complete; next: docker compose up --detach")
