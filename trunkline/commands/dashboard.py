"""`trunkline dashboard`: serves the pages for patients and clinicians."""

from __future__ import annotations

import ipaddress
import logging
import signal
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from trunkline.options import StoreOptions, open_clinic, open_store, secret_from, store_options
from trunkline.service import collect_rarely

if TYPE_CHECKING:
    from analytics.dashboard.provider import IdentityProvider

MIN_KEY_LENGTH = 32
ANSWERING_THREADS = 8
"""Beside those that live streams take."""


@click.command()
@click.option("--http-host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--http-port", default=8080, show_default=True, type=click.IntRange(0, 65535))
@click.option(
    "--secret-key-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the key that signs sessions; `trunkline deploy` writes one.",
)
@click.option(
    "--tls-terminated",
    is_flag=True,
    help="A TLS proxy stands in front: needed to listen beyond this machine; cookies are then "
    "sent over TLS only and X-Forwarded-For of the proxy is trusted.",
)
@click.option("--oidc-issuer", help="OpenID Connect provider where people may log in as well.")
@click.option("--oidc-client-id", help="What this server is called there.")
@click.option(
    "--oidc-client-secret-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File with the secret that the provider knows this server by.",
)
@click.option(
    "--oidc-name", default="Single sign-on", show_default=True, help="What people call it."
)
@store_options
def command(
    *,
    oidc_issuer: str | None,
    oidc_client_id: str | None,
    oidc_client_secret_file: Path | None,
    oidc_name: str,
    http_host: str,
    http_port: int,
    secret_key_file: Path | None,
    tls_terminated: bool,
    store: StoreOptions,
) -> None:
    """Serve the pages for patients and clinicians until stopped.

    \b
    Example: trunkline dashboard --data-dir /var/lib/trunkline --secret-key-file session.key
    """
    logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s")
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    secret_key = _secret_key(secret_key_file)
    if not (tls_terminated or _is_loopback(http_host)):
        raise click.UsageError(
            f"{http_host} can be reached from other machines, where log-ins must travel over TLS: "
            "put a TLS proxy in front and say --tls-terminated, or listen on 127.0.0.1"
        )
    from waitress.server import create_server  # type: ignore[import-untyped]
    from werkzeug.middleware.proxy_fix import ProxyFix

    from analytics.dashboard.app import close_app, create_app
    from analytics.dashboard.live import MAX_STREAMS

    provider = _provider(oidc_issuer, oidc_client_id, oidc_client_secret_file, oidc_name)
    clinic, samples = open_clinic(store), open_store(store)
    ended, reader = threading.Event(), None
    try:
        app = create_app(
            samples,
            clinic,
            secret_key=secret_key,
            secure_cookies=tls_terminated,
            provider=provider,
        )
        if tls_terminated:
            app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1)  # type: ignore[method-assign]
        try:
            threads = ANSWERING_THREADS + MAX_STREAMS
            server = create_server(app, host=http_host, port=http_port, threads=threads, ident=None)
        except OSError as error:
            raise click.ClickException(
                f"cannot listen on {http_host}:{http_port} ({error.strerror}); "
                "choose another --http-port or stop what uses it"
            ) from error
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, partial(_stop, app.extensions["streams"].end))
        reader = threading.Thread(target=app.extensions["roster"].keep_fresh, args=(ended,))
        reader.start()
        collect_rarely()
        click.echo(f"Dashboard at http://{http_host}:{server.effective_port}")
        try:
            server.run()
        finally:
            close_app(app)
    finally:
        ended.set()
        if reader is not None:
            reader.join()
        samples.close()
        clinic.close()


def _provider(
    issuer: str | None, client_id: str | None, secret_file: Path | None, name: str
) -> IdentityProvider | None:
    from analytics.dashboard.provider import IdentityProvider

    secret = secret_from(secret_file)
    if issuer is None:
        return None
    if not client_id or not secret:
        raise click.UsageError(
            "--oidc-issuer needs --oidc-client-id and --oidc-client-secret-file, as the provider "
            "gave them out for this server"
        )
    provider = IdentityProvider(name, issuer, client_id, secret)
    try:
        provider.check()
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    return provider


def _secret_key(path: Path | None) -> str:
    key = secret_from(path)
    advice = (
        "make one with `trunkline deploy`, or: "
        "python3 -c 'import secrets; print(secrets.token_urlsafe(32))' > session.key"
    )
    if key is None:
        raise click.UsageError(f"sessions need a secret key: give --secret-key-file; {advice}")
    if len(key) < MIN_KEY_LENGTH:
        raise click.UsageError(
            f"the key in {path} has {len(key)} characters, at least {MIN_KEY_LENGTH} are needed; "
            + advice
        )
    return key


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _stop(end_streams: Callable[[], None], *_: object) -> None:
    end_streams()  # first: waitress waits for the threads that they take
    raise SystemExit(0)  # waitress ends its loop and its threads on this
