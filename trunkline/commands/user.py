"""`trunkline user`: log-ins and who may see whom."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from analytics.store.clinic import Clinic
from analytics.store.records import ClinicError, Role, User
from trunkline.clinic_access import as_json, clinic_in, operator
from trunkline.options import data_dir_option, secret_from

DAYS = 90

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
    password_hash = _hashed(password_file, name)
    with clinic_in(data_dir) as clinic, clinic.transaction():
        clinic.add_user(name, password_hash, Role(role), wearer)
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
    """Give NAME a new password and end every session of that log-in.

    \b
    Example: trunkline user password anna
    """
    password_hash = _hashed(password_file, name)
    with clinic_in(data_dir) as clinic, clinic.transaction():
        clinic.set_password(name, password_hash)
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


@command.command(name="log-out")
@click.argument("name")
@data_dir_option
def log_out(name: str, data_dir: Path) -> None:
    """End every session of NAME. Tokens go on; see: trunkline user token.

    \b
    Example: trunkline user log-out anna
    """
    with clinic_in(data_dir) as clinic, clinic.transaction():
        _user(clinic, name)
        ended = clinic.end_sessions(name)
        clinic.audit(operator(), "sessions ended", None, name)
    click.echo(f"{ended} sessions of {name} ended")


@command.command(name="one-factor")
@click.argument("name")
@data_dir_option
def one_factor(name: str, data_dir: Path) -> None:
    """Let NAME log in with the password alone, after phone and recovery codes are lost.

    \b
    Example: trunkline user one-factor anna
    """
    from analytics.accounts import second_factor

    with clinic_in(data_dir) as clinic:
        second_factor.switch_off(clinic, _user(clinic, name), by=operator())
    click.echo(f"{name} logs in with the password alone")


@command.group()
def token() -> None:
    """Tokens with which a program reads the API for a user.

    \b
    Example: trunkline user token add lea --scope read --scope export --days 30 --for notebook
    """


@token.command(name="add")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["read", "export", "limits"]),
    required=True,
)
@click.option("--days", type=click.IntRange(1, 366), default=DAYS, show_default=True)
@click.option("--for", "purpose", default="command line", show_default=True)
@data_dir_option
def token_add(
    *, name: str, scopes: tuple[str, ...], days: int, purpose: str, data_dir: Path
) -> None:
    """Make a token for NAME and print it, this once.

    \b
    Example: trunkline user token add lea --scope read --days 30 > lea.token
    """
    from analytics.accounts import tokens

    with clinic_in(data_dir) as clinic:
        user = _user(clinic, name)
        secret = tokens.issue(
            clinic, user, purpose, scopes, days, now_ns=time.time_ns(), by=operator()
        )
    click.echo(secret)


@token.command(name="list")
@click.argument("name")
@click.option("--json", "json_wanted", is_flag=True, help="Print JSON.")
@data_dir_option
def token_list(name: str, json_wanted: bool, data_dir: Path) -> None:
    """List the tokens of NAME; what they are is not kept.

    \b
    Example: trunkline user token list lea
    """
    with clinic_in(data_dir) as clinic:
        found = clinic.tokens(_user(clinic, name).name)
    if json_wanted:
        click.echo(as_json(found))
        return
    for each in found:
        state = "over" if each.ends_ns <= time.time_ns() else "good"
        click.echo(f"{each.id:>6}  {state}  {' '.join(each.scopes):<11}  {each.name}")


@token.command(name="revoke")
@click.argument("name")
@click.argument("token_id", type=int)
@data_dir_option
def token_revoke(name: str, token_id: int, data_dir: Path) -> None:
    """Make token TOKEN_ID of NAME good for nothing.

    \b
    Example: trunkline user token revoke lea 3
    """
    from analytics.accounts import tokens

    with clinic_in(data_dir) as clinic:
        tokens.revoke(clinic, _user(clinic, name), token_id, by=operator())
    click.echo(f"token {token_id} revoked")


def _user(clinic: Clinic, name: str) -> User:
    found = clinic.user(name)
    if found is None:
        raise ClinicError(f"there is no user {name!r}; see: trunkline user list")
    return found


def _hashed(password_file: Path | None, name: str) -> str:
    # Imported late: `--help` needs no argon2.
    from analytics.accounts.passwords import hashed

    secret = secret_from(password_file)
    if secret is None:
        secret = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    try:
        return hashed(secret, name)
    except ClinicError as error:
        raise click.ClickException(str(error)) from error
