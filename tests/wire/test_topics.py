"""Topics: made and taken apart in one place."""

from __future__ import annotations

import pytest

from wire.topics import Kind, Topic, TopicError, filter_all, parse, sensor_topic, wearer_topic

SENSOR_KINDS = (Kind.BIRTH, Kind.IMU, Kind.STATUS, Kind.LOSS, Kind.COMMITTED)
WEARER_KINDS = (Kind.AGENT_STATE, Kind.TAKEN, Kind.MARK, Kind.STATE, Kind.ALERT)


def test_every_kind_belongs_to_a_sensor_or_a_wearer() -> None:
    assert set(SENSOR_KINDS) | set(WEARER_KINDS) == set(Kind)


@pytest.mark.parametrize("kind", SENSOR_KINDS)
def test_sensor_topics_round_trip(kind: Kind) -> None:
    text = sensor_topic("demo", "trunk", kind)
    assert text == f"trunkline/v1/demo/trunk/{kind}"
    assert parse(text) == Topic("demo", kind, "trunk")
    assert filter_all(kind) == f"trunkline/v1/+/+/{kind}"
    with pytest.raises(TopicError):
        wearer_topic("demo", kind)


@pytest.mark.parametrize("kind", WEARER_KINDS)
def test_wearer_topics_round_trip(kind: Kind) -> None:
    text = wearer_topic("demo", kind)
    assert parse(text) == Topic("demo", kind)
    assert filter_all(kind) == f"trunkline/v1/+/{kind}"
    with pytest.raises(TopicError):
        sensor_topic("demo", "trunk", kind)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "other/v1/demo/trunk/imu",
        "trunkline/v2/demo/trunk/imu",
        "trunkline/v1/demo",
        "trunkline/v1/demo/trunk/video",
        "trunkline/v1/demo/trunk/imu/more",
        "trunkline/v1/Demo/trunk/imu",
        "trunkline/v1/demo/agent/imu",
        "trunkline/v1//trunk/imu",
        "trunkline/v1/demo/+/imu",
    ],
)
def test_foreign_topics_are_refused(text: str) -> None:
    with pytest.raises(TopicError):
        parse(text)
