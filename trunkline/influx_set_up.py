"""The database part of a deployment: what InfluxDB must have before the services start."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from analytics.store.influx_admin import Retention


@dataclass(frozen=True, slots=True)
class InfluxAdmin:
    """Whom to ask as administrator: `user` of a 1.x, else the token of a 2.x."""

    url: str
    user: str | None
    org: str


def set_up_influx(
    secrets_dir: Path, admin: InfluxAdmin, name: str, retention: Retention
) -> list[Path]:
    """Make the databases, and write an account's secret for each service that has no file yet:
    `influx-<service>.token`, or `.password` for 1.x. Returns the new files; raises StoreError."""
    # Imported late: deploy without a database needs none of it.
    from analytics.store.influx_admin import SERVICES, make_accounts, prepare
    from analytics.store.influx_server import InfluxServer

    def secret(file: str) -> str:
        return (secrets_dir / file).read_text().strip()

    server = InfluxServer(
        admin.url,
        user=admin.user,
        password=secret("influx-admin.password") if admin.user else None,
        token=None if admin.user else secret("influx.token"),
        org=admin.org,
    )
    with closing(server):
        prepare(server, name, retention)
        end = "password" if server.major == 1 else "token"
        paths = {service: secrets_dir / f"influx-{service}.{end}" for service in SERVICES}
        missing = [service for service, path in paths.items() if not path.exists()]
        created = []
        for service, text in make_accounts(server, name, missing).items():
            paths[service].write_text(text)
            paths[service].chmod(0o644)
            created.append(paths[service])
    return created
