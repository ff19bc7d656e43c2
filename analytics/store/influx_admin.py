"""Setting an InfluxDB up: its three databases with their retention, and accounts that may do no
more than their service needs. Needs an administrator's log-in; doing it again changes nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from analytics.store.base import StoreError
from analytics.store.influx import databases
from analytics.store.influx_server import InfluxServer

DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class Retention:
    """How long a server keeps what; None: for good."""

    raw_days: int | None = None
    """samples; the archive must have them before they go"""
    results_days: int | None = None
    operations_days: int | None = None
    """how batches came; as long as the samples at least, for the audit and for copies"""


@dataclass(frozen=True, slots=True)
class Rights:
    """Of one service, by database: a subset of "raw results operations"."""

    read: frozenset[str]
    write: frozenset[str]


def _rights(read: str, write: str) -> Rights:
    return Rights(frozenset(read.split()), frozenset(write.split()))


SERVICES: Final[Mapping[str, Rights]] = MappingProxyType(
    {
        # Removes again what it wrote of a wearer erased meanwhile: that too is writing.
        "ingest": _rights("", "raw results operations"),
        # "operations": how batches came is what its daily audit asks for.
        "worker": _rights("raw results operations", "results"),
        "dashboard": _rights("raw results", ""),
        # How the batches came, for whoever runs the machines: no samples, no results.
        "grafana": _rights("operations", ""),
        # erase, export, archive, copy
        "keeper": _rights("raw results operations", "raw results operations"),
    }
)
"""Which service may do what."""


def prepare(server: InfluxServer, name: str, retention: Retention) -> list[str]:
    """Make the databases that are missing and set the retention of all; returns what was made."""
    days = (retention.raw_days, retention.results_days, retention.operations_days)
    wanted = dict(zip(databases(name), days, strict=True))
    match server.major:
        case 1:
            return _prepare_1(server, wanted)
        case 2:
            return _prepare_2(server, wanted)
        case _:
            return _prepare_3(server, wanted)


def keeps_for(server: InfluxServer, database: str) -> str | None:
    """How long a database keeps what it gets, in the server's words; None: for good. StoreError
    when there is no such database, or none that this log-in may see."""
    if server.major == 2:  # its answer in InfluxQL says 0s whatever the bucket's retention
        buckets = server.api("GET", "/api/v2/buckets", name=database).get("buckets", [])
        if not buckets:
            raise StoreError(f"InfluxDB shows no bucket {database!r}", "make it, or grant access")
        seconds = sum(int(rule["everySeconds"]) for rule in buckets[0]["retentionRules"])
        return f"{seconds // DAY_S} days" if seconds else None
    found = server.ask(database, f'SHOW RETENTION POLICIES ON "{database}"')
    # name, duration, shardGroupDuration, replicaN, default
    rows = [row for series in found for row in series.values]
    standard = [row for row in rows if row[-1] is True] or rows
    if not standard:
        raise StoreError(f"InfluxDB shows no database {database!r}", "make it, or grant access")
    duration = str(standard[0][1])
    return None if duration in {"0s", "0"} else duration


def make_accounts(server: InfluxServer, name: str, services: Iterable[str]) -> dict[str, str]:
    """Service -> secret of a new account with the rights of SERVICES.

    2.x: the secret is the token. 1.x: it is the password of the user `<name>_<service>`. An
    account of the same name is replaced: its secret cannot be read again. 3 Core has no rights by
    database; there nothing is made.
    """
    match server.major:
        case 1:
            return {service: _account_1(server, name, service) for service in services}
        case 2:
            return _accounts_2(server, name, services)
        case _:
            return {}


def organisation(server: InfluxServer) -> str:
    """Id of the organisation of a 2.x server: the one named in `server.org`, or the only one."""
    orgs = server.api("GET", "/api/v2/orgs").get("orgs", [])
    if server.org:
        orgs = [org for org in orgs if server.org in {org["name"], org["id"]}]
    if len(orgs) != 1:
        names = ", ".join(sorted(str(org["name"]) for org in orgs)) or "none"
        raise StoreError(
            f"InfluxDB at {server.url} has not one organisation to choose ({names})",
            "name it: --influx-org",
        )
    return str(orgs[0]["id"])


def _prepare_1(server: InfluxServer, wanted: Mapping[str, int | None]) -> list[str]:
    there = {row[0] for series in server.ask("", "SHOW DATABASES") for row in series.values}
    made = []
    for database, days in wanted.items():
        if database not in there:
            server.ask("", f'CREATE DATABASE "{database}"', method="POST")
            made.append(database)
        duration = "INF SHARD DURATION 7d"
        if days is not None:  # what goes at once is a shard: a part of the whole
            duration = (
                f"{days}d SHARD DURATION {'1h' if days < 2 else '1d' if days < 180 else '7d'}"
            )
        server.ask(
            "",
            f'ALTER RETENTION POLICY "autogen" ON "{database}" DURATION {duration} DEFAULT',
            method="POST",
        )
    return made


def _prepare_2(server: InfluxServer, wanted: Mapping[str, int | None]) -> list[str]:
    org = organisation(server)
    made = []
    for database, days in wanted.items():
        rules = [] if days is None else [{"type": "expire", "everySeconds": days * DAY_S}]
        there = _bucket(server, org, database)
        if there is None:
            body = {"orgID": org, "name": database, "retentionRules": rules}
            server.api("POST", "/api/v2/buckets", body)
            made.append(database)
        else:
            server.api("PATCH", f"/api/v2/buckets/{there}", {"retentionRules": rules})
    return made


def _prepare_3(server: InfluxServer, wanted: Mapping[str, int | None]) -> list[str]:
    there = {row[0] for series in server.ask("", "SHOW DATABASES") for row in series.values}
    made = []
    for database, days in wanted.items():
        if database not in there:
            body = {"db": database} | ({} if days is None else {"retention_period": f"{days}d"})
            server.api("POST", "/api/v3/configure/database", body)
            made.append(database)
    return made


def _bucket(server: InfluxServer, org: str, name: str) -> str | None:
    found = server.api("GET", "/api/v2/buckets", orgID=org, limit="100").get("buckets", [])
    return next((str(bucket["id"]) for bucket in found if bucket["name"] == name), None)


def _account_1(server: InfluxServer, name: str, service: str) -> str:
    user, password = f"{name}_{service}", secrets.token_urlsafe(32)
    there = {row[0] for series in server.ask("", "SHOW USERS") for row in series.values}
    if user in there:
        server.ask("", f'DROP USER "{user}"', method="POST")
    server.ask("", f"CREATE USER \"{user}\" WITH PASSWORD '{password}'", method="POST")
    rights = SERVICES[service]
    for part, database in zip(("raw", "results", "operations"), databases(name), strict=True):
        right = {(True, True): "ALL", (True, False): "READ", (False, True): "WRITE"}.get(
            (part in rights.read, part in rights.write)
        )
        if right:
            server.ask("", f'GRANT {right} ON "{database}" TO "{user}"', method="POST")
    return password


def _accounts_2(server: InfluxServer, name: str, services: Iterable[str]) -> dict[str, str]:
    org = organisation(server)
    buckets = {}
    for part, database in zip(("raw", "results", "operations"), databases(name), strict=True):
        bucket = _bucket(server, org, database)
        if bucket is None:
            raise StoreError(f"InfluxDB has no bucket {database!r}", "make the databases first")
        buckets[part] = bucket
    there = server.api("GET", "/api/v2/authorizations", orgID=org).get("authorizations", [])
    tokens = {}
    for service in services:
        rights, description = SERVICES[service], f"{name} {service}"
        for old in there:
            if old.get("description") == description:
                server.api("DELETE", f"/api/v2/authorizations/{old['id']}")
        permissions = [
            {"action": action, "resource": {"type": "buckets", "id": buckets[part], "orgID": org}}
            for action, parts in (("read", rights.read), ("write", rights.write))
            for part in sorted(parts)
        ]
        body = {"orgID": org, "description": description, "permissions": permissions}
        tokens[service] = str(server.api("POST", "/api/v2/authorizations", body)["token"])
    return tokens
