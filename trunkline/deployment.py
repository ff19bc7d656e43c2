"""The secret files of a deployment: broker accounts, ACL, certificates, database token, key.

Everything is random and written once; nothing here has a default value. The folder is closed to
other users (0700); the files in it are readable, because containers that run without privileges
see them mounted under their own user ids.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from analytics.live.home_assistant import PREFIX
from trunkline.certificates import (
    client_path,
    make_authority,
    make_client,
    make_server,
    names_in,
)
from wire.ids import check_wearer
from wire.topics import ROOT, Kind

SERVER_ACCOUNT = "server"
HOME_ASSISTANT_ACCOUNT = "home-assistant"

DEFAULT_HOSTS = ("localhost", "127.0.0.1", "mosquitto")
"""This machine, and the broker's name inside the compose network."""


@dataclass(frozen=True, slots=True)
class CertificateWishes:
    """What TLS needs of a deployment."""

    hosts: Sequence[str] = ()
    """Names and addresses under which agents reach the broker; none: those of the certificate
    that is there, or DEFAULT_HOSTS."""
    clients: bool = False
    """A certificate for every account, for a broker that demands one."""
    renew: bool = False
    """New certificates in place of those that are there; the authority stays."""


_MOSQUITTO_ITERATIONS = 101
"""What mosquitto_passwd 2.0 uses. The secrets are random 256-bit words, so that a slow hash adds
nothing; mosquitto derives it at every connect."""

_SINGLE_SECRETS = (
    "server.password",
    "influx-admin.password",
    "influx.token",
    "session.key",
    "grafana.password",
)


def write_secrets(
    folder: Path,
    wearers: Sequence[str],
    tls: CertificateWishes | None = None,
    *,
    home_assistant: bool = False,
) -> list[Path]:
    """Create what is missing in `folder` for these wearers; existing secrets stay as they are.
    `home_assistant`: an account for it, too.

    Returns the files that are new. Raises IdError for an invalid pseudonym, OSError when the
    folder cannot be written.
    """
    names = [*_SINGLE_SECRETS, *(f"agent-{check_wearer(wearer)}.password" for wearer in wearers)]
    if home_assistant:
        names.append(f"{HOME_ASSISTANT_ACCOUNT}.password")
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    created = [folder / name for name in names if not (folder / name).exists()]
    for path in created:
        _write_secret(path, secrets.token_urlsafe(32))
    _write_secret(folder / "mosquitto.passwd", password_file(broker_accounts(folder)))
    is_announced = password_path(folder, HOME_ASSISTANT_ACCOUNT).exists()
    _write_secret(folder / "mosquitto.acl", acl_file(home_assistant=is_announced))
    return created if tls is None else [*created, *_write_certificates(folder, tls)]


def _write_certificates(folder: Path, tls: CertificateWishes) -> list[Path]:
    created = make_authority(folder)
    is_new = bool(created) or tls.renew
    if is_new or not set(tls.hosts) <= set(names_in(folder)):
        created += make_server(folder, tls.hosts or names_in(folder) or DEFAULT_HOSTS)
    for account in broker_accounts(folder) if tls.clients else ():
        if is_new or not client_path(folder, account).exists():
            created += make_client(folder, account)
    return created


def password_path(folder: Path, account: str) -> Path:
    """The file with the broker password of the server, Home Assistant or a wearer's agent."""
    is_ours = account in {SERVER_ACCOUNT, HOME_ASSISTANT_ACCOUNT}
    return folder / (f"{account}.password" if is_ours else f"agent-{account}.password")


def broker_accounts(folder: Path) -> dict[str, str]:
    """Account -> password of everyone who has a password file in `folder`."""
    names = [path.stem.removeprefix("agent-") for path in sorted(folder.glob("agent-*.password"))]
    if password_path(folder, HOME_ASSISTANT_ACCOUNT).exists():
        names.append(HOME_ASSISTANT_ACCOUNT)
    return {
        name: password_path(folder, name).read_text().strip() for name in (SERVER_ACCOUNT, *names)
    }


def password_file(accounts: Mapping[str, str]) -> str:
    """Text of a mosquitto password file ($7$: PBKDF2-HMAC-SHA512)."""
    lines = []
    for account, password in sorted(accounts.items()):
        salt = os.urandom(12)
        key = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _MOSQUITTO_ITERATIONS)
        encoded = "$".join(base64.b64encode(part).decode() for part in (salt, key))
        lines.append(f"{account}:$7${_MOSQUITTO_ITERATIONS}${encoded}\n")
    return "".join(lines)


def acl_file(*, home_assistant: bool = False) -> str:
    """Text of a mosquitto ACL: a wearer's account writes below its own name and reads its commits;
    the server account reads and writes all of ours; Home Assistant reads the live states. Whatever
    is not listed is denied."""
    text = (
        f"pattern write {ROOT}/%u/#\n"
        f"pattern read {ROOT}/%u/+/{Kind.COMMITTED}\n"
        f"pattern read {ROOT}/%u/{Kind.TAKEN}\n"
        f"pattern read {ROOT}/%u/{Kind.STATE}\n"
        f"pattern read {ROOT}/%u/{Kind.ALERT}\n"
        f"\nuser {SERVER_ACCOUNT}\n"
        f"topic readwrite {ROOT}/#\n"
    )
    if not home_assistant:
        return text
    return (
        f"{text}topic write {PREFIX}/#\n"
        f"\nuser {HOME_ASSISTANT_ACCOUNT}\n"
        f"topic readwrite {PREFIX}/#\n"
        f"topic read {ROOT}/+/{Kind.STATE}\n"
        f"topic read {ROOT}/+/{Kind.ALERT}\n"
        f"topic read {ROOT}/+/{Kind.AGENT_STATE}\n"
    )


def _write_secret(path: Path, text: str) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(text)
    fresh.chmod(0o644)
    fresh.replace(path)
