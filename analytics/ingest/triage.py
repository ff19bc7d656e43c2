"""What an MQTT message says, or why it cannot be used. Pure."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from wire.batch import Batch, BatchError
from wire.codec import decode
from wire.ids import IdError, check_sensor
from wire.messages import AgentStatus, Birth, Losses, Mark, MessageError, Status
from wire.topics import Kind, TopicError, parse

logger = logging.getLogger(__name__)

SUBSCRIBED = (Kind.IMU, Kind.BIRTH, Kind.STATUS, Kind.LOSS, Kind.AGENT_STATE, Kind.MARK)

Content = Batch | Birth | Status | Losses | AgentStatus | Mark


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class Report:
    """A message understood. `sensor` is empty for what concerns the wearer as a whole."""

    wearer: str
    sensor: str
    content: Content
    message: Message


@dataclass(frozen=True, slots=True)
class Unusable:
    """A message that breaks the contract, and how. `wearer` is None when the topic does."""

    wearer: str | None
    reason: str
    message: Message


def read(message: Message) -> Report | Unusable | None:
    """What the message says; None when it is not for us: an empty one only clears a retained
    message, and the embedded broker sometimes delivers what was not subscribed to."""
    try:
        topic = parse(message.topic)
    except TopicError as error:
        return Unusable(None, str(error), message)
    if not message.payload or topic.kind not in SUBSCRIBED:
        return None
    try:
        content = _content(topic.kind, message.payload)
    except (BatchError, MessageError, IdError) as error:
        return Unusable(topic.wearer, str(error), message)
    except Exception:  # a bug of ours, but one message must not stop everybody's
        logger.exception("a message on %s cannot be read", topic.kind)
        return Unusable(topic.wearer, "internal error, see the log", message)
    return Report(topic.wearer, topic.sensor or "", content, message)


def _content(kind: Kind, payload: bytes) -> Content:
    match kind:
        case Kind.IMU:
            return decode(payload)
        case Kind.BIRTH:
            return Birth.load(payload)
        case Kind.STATUS:
            return Status.load(payload)
        case Kind.LOSS:
            return Losses.load(payload)
        case Kind.AGENT_STATE:
            return AgentStatus.load(payload)
        case _:
            mark = Mark.load(payload)
            if mark.sensor is not None:
                check_sensor(mark.sensor)
            return mark
