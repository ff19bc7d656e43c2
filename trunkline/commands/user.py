"""`trunkline user`: log-ins and who may see whom."""

from __future__ import annotations

import json
from pathlib import Path

import click

from analytics.store.records import Role
from trunkline.clinic_access import clinic_in, operator
from trunkline.options import data_dir_option, secret_from

MIN_PASSWORD = 10
MAX_PASSWORD = 1024

password_option = click.option(
    "--password-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the password; without it you are asked.",
)


@click.group(name="user")
def command() -> None:
    """Manage log-ins: patients see themselves, everybody else whom they are granted.

    \b
    Example: trunkline user add anna --role clinician
    Example: trunkline user grant anna p-001
    """


@command.command()
@click.argument("name")
@click.option("--role", type=click.Choice([str(role) for role in Role]), required=True)
@click.option("--wearer", help="The pseudonym that a patient is.")
@password_option
@data_dir_option
def add(
    *, name: str, role: str, wearer: str | None, password_file: Path | None, data_dir: Path
) -> None:
    """Make a log-in NAME.

    \b
    Example: trunkline user add p-001 --role patient --wearer p-001 --password-file p-001.password
    """
    hashed = _hashed(password_file)
    with clinic_in(data_dir) as clinic, clinic.transaction():
        clinic.add_user(name, hashed, Role(role), wearer)
        clinic.audit(operator(), "user add", wearer, f"{name} {role}")
    click.echo(f"{name} may log in")


@command.command(name="list")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
@data_dir_option
def list_(json_wanted: bool, data_dir: Path) -> None:
    """List the log-ins, their roles and whom they may see.

    \b
    Example: trunkline user list
    """
    with clinic_in(data_dir) as clinic:
        users = [
            {"name": user.name, "role": str(user.role), "sees": clinic.visible_wearers(user.name)}
            for user in clinic.users()
        ]
    if json_wanted:
        click.echo(json.dumps(users, indent=2))
        return
    for user in users:
        click.echo(f"{user['name']:<24} {user['role']:<11} {' '.join(user['sees']) or '-'}")


@command.command()
@click.argument("name")
@password_option
@data_dir_option
def password(name: str, password_file: Path | None, data_dir: Path) -> None:
    """Give NAME a new password.

    \b
    Example: trunkline user password anna
    """
    hashed = _hashed(password_file)
    with clinic_in(data_dir) as clinic, clinic.transaction():
        clinic.set_password(name, hashed)
        clinic.audit(operator(), "user password", None, name)
    click.echo(f"{name} has a new password")


@command.command()
@click.argument("name")
@click.argument("wearer")
@data_dir_option
def grant(name: str, wearer: str, data_dir: Path) -> None:
    """Let NAME see WEARER.

    \b
    Example: trunkline user grant anna p-001
    """
    with clinic_in(data_dir) as clinic, clinic.transaction():
        clinic.grant(name, wearer)
        clinic.audit(operator(), "grant", wearer, name)
    click.echo(f"{name} may see {wearer}")


@command.command()
@click.argument("name")
@click.argument("wearer")
@data_dir_option
def revoke(name: str, wearer: str, data_dir: Path) -> None:
    """Let NAME see WEARER no longer.

    \b
    Example: trunkline user revoke anna p-001
    """
    with clinic_in(data_dir) as clinic, clinic.transaction():
        clinic.revoke(name, wearer)
        clinic.audit(operator(), "revoke", wearer, name)
    click.echo(f"{name} may not see {wearer}")


@command.command()
@click.argument("name")
@data_dir_option
def remove(name: str, data_dir: Path) -> None:
    """Remove the log-in NAME and its grants.

    \b
    Example: trunkline user remove anna
    """
    with clinic_in(data_dir) as clinic, clinic.transaction():
        clinic.remove_user(name)
        clinic.audit(operator(), "user remove", None, name)
    click.echo(f"{name} removed")


def _hashed(password_file: Path | None) -> str:
    from argon2 import PasswordHasher

    secret = secret_from(password_file)
    if secret is None:
        secret = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    if not MIN_PASSWORD <= len(secret) <= MAX_PASSWORD:
        raise click.ClickException(
            f"the password has {len(secret)} characters; use {MIN_PASSWORD} to {MAX_PASSWORD}"
        )
    return PasswordHasher().hash(secret)
