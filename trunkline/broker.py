"""The embedded MQTT broker (amqtt) of `trunkline up`. A deployment uses mosquitto instead.

Nobody is anonymous: each account has a random secret, and an account that is not the server's may
only publish and subscribe below its own pseudonym.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig, ListenerConfig
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from trunkline.deployment import SERVER_ACCOUNT
from wire.topics import ROOT

logger = logging.getLogger(__name__)


def allowed(account: str | None, topic: str | None) -> bool:
    """Whether an account may use a topic or filter: the server everything, a wearer its own."""
    if not account or not topic:
        return False
    return account == SERVER_ACCOUNT or topic.startswith(f"{ROOT}/{account}/")


class AccountsPlugin(BaseAuthPlugin, BaseTopicPlugin):
    """Checks the user name and secret at connect and the topic at publish and subscribe."""

    @dataclass
    class Config:
        """Account name -> secret."""

        accounts: dict[str, str] = field(default_factory=dict)

    async def authenticate(self, *, session: Session) -> bool:
        """True when the secret belongs to the account; an unknown account costs the same time."""
        expected = self.context.config.accounts.get(session.username or "", "")
        given = session.password or ""
        return bool(expected) and hmac.compare_digest(expected.encode(), given.encode())

    async def topic_filtering(
        self,
        *,
        session: Session | None = None,
        topic: str | None = None,
        action: Action | None = None,
    ) -> bool:
        """True when the account may do that there."""
        return allowed(session.username if session else None, topic)


async def serve(host: str, port: int, accounts: Mapping[str, str], stop: asyncio.Event) -> None:
    """Run the broker until `stop` is set. Raises OSError when the port cannot be had."""
    config = BrokerConfig(
        listeners={"default": ListenerConfig(bind=f"{host}:{port}")},
        plugins={f"{__name__}.AccountsPlugin": {"accounts": dict(accounts)}},
    )
    broker = Broker(config)
    await broker.start()
    logger.info("broker listens on %s:%d", host, port)
    try:
        await stop.wait()
    finally:
        await broker.shutdown()
