"""Options that several commands share: where the broker is, where the data are."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from analytics.store.base import RefusedError, Store, StoreError
from analytics.store.clinic import FILE_NAME as CLINIC_FILE
from analytics.store.clinic import Clinic
from analytics.store.share import ALL, Share

if TYPE_CHECKING:
    from analytics.store.influx_server import InfluxServer

logger = logging.getLogger(__name__)

Command = Callable[..., Any]
DEFAULT_MQTT_PORT = 1883
DEFAULT_MQTTS_PORT = 8883


@dataclass(frozen=True, slots=True)
class BrokerOptions:
    """How to reach and enter an MQTT broker."""

    host: str
    port: int
    user: str | None
    password: str | None
    password_file: Path | None
    """Where the password is from: it may be put right while we run."""
    tls: bool
    tls_ca: Path | None
    """None: the system's authorities."""
    tls_cert: Path | None
    tls_key: Path | None
    mqtt5: bool


@dataclass(frozen=True, slots=True)
class StoreOptions:
    """Where people, samples and results are."""

    data_dir: Path
    kind: str
    influx_url: str
    influx_database: str
    influx_user: str | None
    influx_password_file: Path | None
    influx_token_file: Path | None
    influx_org: str | None = None

    def environment(self) -> dict[str, str]:
        """The same options as environment variables, for a child process."""
        values = {
            "TRUNKLINE_DATA_DIR": self.data_dir,
            "TRUNKLINE_STORE": self.kind,
            "TRUNKLINE_INFLUX_URL": self.influx_url,
            "TRUNKLINE_INFLUX_DATABASE": self.influx_database,
            "TRUNKLINE_INFLUX_USER": self.influx_user,
            "TRUNKLINE_INFLUX_PASSWORD_FILE": self.influx_password_file,
            "TRUNKLINE_INFLUX_TOKEN_FILE": self.influx_token_file,
            "TRUNKLINE_INFLUX_ORG": self.influx_org,
        }
        return {name: str(value) for name, value in values.items() if value is not None}


def default_data_dir() -> Path:
    """`trunkline` in the user's data folder (XDG base directory specification)."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "trunkline"


def secret_from(path: Path | None) -> str | None:
    """The secret in a file, without the end of line; None without a file."""
    if path is None:
        return None
    try:
        return path.read_text().strip()
    except OSError as error:
        raise click.BadParameter(f"cannot read {path} ({error.strerror})") from error


def profiles_dir_option(command: Command) -> Command:
    """Adds --profiles-dir, whose sensors are known from then on; the command gets nothing."""
    return click.option(
        "--profiles-dir",
        envvar="TRUNKLINE_PROFILES_DIR",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        is_eager=True,
        expose_value=False,
        callback=_load_profiles,
        help="Folder with descriptions of your own sensors (*.toml).",
    )(command)


def _load_profiles(_ctx: click.Context, _option: click.Parameter, folder: Path | None) -> None:
    if folder is None:
        return
    from firmware_profiles.base import Profile, ProfileError
    from firmware_profiles.registry import set_user_profiles
    from firmware_profiles.toml_profile import load_profile

    loaded: list[Profile] = []
    try:
        for path in sorted(folder.glob("*.toml")):
            loaded.append(load_profile(path.read_text(encoding="utf-8")))
            set_user_profiles(loaded)
    except (ProfileError, ValueError) as error:
        raise click.BadParameter(f"{path.name}: {error}") from error
    except OSError as error:
        raise click.BadParameter(f"cannot read {path.name} ({error.strerror})") from error


def broker_options(command: Command) -> Command:
    """Adds the broker's options; the command gets `broker: BrokerOptions`."""

    @click.option(
        "--mqtt5",
        is_flag=True,
        envvar="TRUNKLINE_MQTT5",
        help="Speak MQTT 5 instead of 3.1.1; the embedded broker knows 3.1.1 only.",
    )
    @_file("--tls-key", "TRUNKLINE_TLS_KEY", "Private key of --tls-cert.")
    @_file("--tls-cert", "TRUNKLINE_TLS_CERT", "Client certificate, when the broker asks for one.")
    @_file("--tls-ca", "TRUNKLINE_TLS_CA", "CA certificate of the broker.")
    @click.option(
        "--tls",
        is_flag=True,
        envvar="TRUNKLINE_TLS",
        help="TLS with the system's certificate authorities; --tls-ca and --tls-cert imply it.",
    )
    @_file("--password-file", "TRUNKLINE_PASSWORD_FILE", "File with the broker password.")
    @click.option("--user", envvar="TRUNKLINE_USER", help="Broker account.")
    @click.option(
        "--broker",
        "address",
        envvar="TRUNKLINE_BROKER",
        default="127.0.0.1",
        show_default=True,
        metavar="HOST[:PORT]",
        help="MQTT broker; the port is 1883, with TLS 8883.",
    )
    @wraps(command)
    def wrapped(
        *,
        address: str,
        user: str | None,
        password_file: Path | None,
        tls: bool,
        tls_ca: Path | None,
        tls_cert: Path | None,
        tls_key: Path | None,
        mqtt5: bool,
        **others: Any,
    ) -> Any:
        if (tls_cert is None) != (tls_key is None):
            raise click.UsageError("--tls-cert and --tls-key belong together: give both")
        tls = tls or tls_ca is not None or tls_cert is not None
        host, _, port = address.rpartition(":") if ":" in address else (address, "", "")
        if port and not (port.isdecimal() and 0 < int(port) < 65536):
            raise click.BadParameter(f"{port!r} is no port number", param_hint="--broker")
        default = DEFAULT_MQTTS_PORT if tls else DEFAULT_MQTT_PORT
        broker = BrokerOptions(
            host=host,
            port=int(port) if port else default,
            user=user,
            password=secret_from(password_file),
            password_file=password_file,
            tls=tls,
            tls_ca=tls_ca,
            tls_cert=tls_cert,
            tls_key=tls_key,
            mqtt5=mqtt5,
        )
        return command(broker=broker, **others)

    return wrapped


def data_dir_option(command: Command) -> Command:
    """Adds --data-dir; the command gets `data_dir: Path`."""
    return click.option(
        "--data-dir",
        envvar="TRUNKLINE_DATA_DIR",
        type=click.Path(file_okay=False, path_type=Path),
        default=default_data_dir,
        show_default="the user's data folder",
        help="Folder of clinic.db (people) and samples.db (embedded store).",
    )(command)


def store_options(command: Command) -> Command:
    """Adds the store's options; the command gets `store: StoreOptions`."""

    @click.option("--influx-org", envvar="TRUNKLINE_INFLUX_ORG", help="InfluxDB 2.x organisation.")
    @_file("--influx-token-file", "TRUNKLINE_INFLUX_TOKEN_FILE", "InfluxDB 2.x or 3 token.")
    @_file("--influx-password-file", "TRUNKLINE_INFLUX_PASSWORD_FILE", "Of --influx-user.")
    @click.option("--influx-user", envvar="TRUNKLINE_INFLUX_USER", help="InfluxDB 1.x user.")
    @click.option(
        "--influx-database",
        envvar="TRUNKLINE_INFLUX_DATABASE",
        default="trunkline",
        show_default=True,
        help="What the names of the three databases (buckets in 2.x) begin with.",
    )
    @click.option(
        "--influx-url",
        envvar="TRUNKLINE_INFLUX_URL",
        default="http://127.0.0.1:8086",
        show_default=True,
    )
    @click.option(
        "--store",
        "kind",
        envvar="TRUNKLINE_STORE",
        type=click.Choice(["embedded", "influx"]),
        default="embedded",
        show_default=True,
        help="Where samples and results are kept.",
    )
    @data_dir_option
    @wraps(command)
    def wrapped(
        *,
        data_dir: Path,
        kind: str,
        influx_url: str,
        influx_database: str,
        influx_user: str | None,
        influx_password_file: Path | None,
        influx_token_file: Path | None,
        influx_org: str | None,
        **others: Any,
    ) -> Any:
        store = StoreOptions(
            data_dir=data_dir,
            kind=kind,
            influx_url=influx_url,
            influx_database=influx_database,
            influx_user=influx_user,
            influx_password_file=influx_password_file,
            influx_token_file=influx_token_file,
            influx_org=influx_org,
        )
        return command(store=store, **others)

    return wrapped


def open_clinic(options: StoreOptions, share: Share = ALL) -> Clinic:
    """The clinic database of a data directory; a ClickException says what is wrong."""
    try:
        return Clinic(options.data_dir / CLINIC_FILE, share)
    except StoreError as error:
        raise click.ClickException(str(error)) from error


def open_store(options: StoreOptions, *, archived: bool = True) -> Store:
    """The store that the options name; a ClickException says what is wrong. `archived`: with the
    archive of the data directory behind it.

    A server that is down may come up later, but one that refuses our log-in is said at once.
    """
    try:
        if options.kind == "embedded":
            from analytics.store.embedded import FILE_NAME, EmbeddedStore

            embedded = EmbeddedStore(options.data_dir / FILE_NAME)
            return _with_archive(embedded, options) if archived else embedded
        from analytics.store.influx import InfluxStore

        store = InfluxStore(options.influx_url, options.influx_database, **_log_in(options))
        try:
            store.server.ask(store.raw, "SHOW DATABASES")
        except RefusedError:
            store.close()
            raise
        except StoreError as error:
            logger.warning("%s; going on", error)
    except StoreError as error:
        raise click.ClickException(str(error)) from error
    return _with_archive(store, options) if archived else store


def _with_archive(store: Store, options: StoreOptions) -> Store:
    from analytics.store.archive import FOLDER, Archive
    from analytics.store.archived import ArchivedStore

    return ArchivedStore(store, Archive(options.data_dir / FOLDER))


def influx_server(options: StoreOptions) -> InfluxServer:
    """The InfluxDB server that the options name; StoreError when the address is none."""
    from analytics.store.influx_server import InfluxServer

    return InfluxServer(options.influx_url, **_log_in(options))


def _log_in(options: StoreOptions) -> dict[str, str | None]:
    return {
        "user": options.influx_user,
        "password": secret_from(options.influx_password_file),
        "token": secret_from(options.influx_token_file),
        "org": options.influx_org,
    }


def _file(name: str, envvar: str, text: str) -> Callable[[Command], Command]:
    return click.option(
        name, envvar=envvar, type=click.Path(dir_okay=False, path_type=Path), help=text
    )
