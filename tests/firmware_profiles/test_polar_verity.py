"""Polar Verity Sense: SDK mode, leaving it idle, and captured packets of single streams."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_profiles.base import ConfigurationError, Quantity, SampleBlock, StreamRequest
from firmware_profiles.polar_h10 import PolarH10
from firmware_profiles.polar_pmd import CONTROL_UUID, DATA_UUID
from firmware_profiles.polar_verity import PolarVerity

VECTORS = json.loads((Path(__file__).parent / "vectors_polar_verity.json").read_text())
PLAIN = next(v for v in VECTORS if v["name"] == "start_plain")["answers"]


@pytest.mark.parametrize(
    ("features", "missing"), [("0f0400", "gyro"), ("0f2000", "accel"), ("", "accel")]
)
def test_unit_without_a_sensor_is_refused(features: str, missing: str, scripted: Any) -> None:
    sensor = scripted({**PLAIN, "read": features})
    with pytest.raises(ConfigurationError, match=f"does not offer {missing}"):
        sensor.run(PolarVerity().configure(StreamRequest(), 247))


def test_old_firmware_without_sdk_mode_gives_what_it_has(scripted: Any) -> None:
    sensor = scripted({**PLAIN, "read": "0f6e00"})
    decoder = sensor.run(PolarVerity().configure(StreamRequest(rate_hz=200.0), 247))
    assert decoder.settings.rate_hz == 52.0
    assert sensor.writes[0] == "0102"


def test_streams_of_different_rates_are_refused(scripted: Any) -> None:
    other = PLAIN["0105"].replace("00013400", "00011a00")
    start = "0205" + other[10:]
    sensor = scripted({**PLAIN, "0105": other, start: "f002050000"})
    with pytest.raises(ConfigurationError, match="52 Hz and rotation at 26 Hz"):
        sensor.run(PolarVerity().configure(StreamRequest(), 247))


@pytest.mark.parametrize("mtu", [23, 231])
def test_small_mtu_is_refused_before_anything_is_sent(mtu: int, scripted: Any) -> None:
    sensor = scripted({})
    with pytest.raises(ConfigurationError, match=f"{mtu} bytes"):
        sensor.run(PolarVerity().configure(StreamRequest(), mtu))
    assert sensor.subscribed == {}


@pytest.mark.parametrize("status", ["00", "06"])
def test_stop_ends_both_streams_and_sdk_mode(status: str, scripted: Any) -> None:
    sensor = scripted({key: f"f0{key}{status}" for key in ("0302", "0305", "0309")})
    sensor.subscribed = {CONTROL_UUID: "indicate", DATA_UUID: "notify"}
    sensor.run(PolarVerity().stop())
    assert sensor.writes == ["0302", "0305", "0309"]
    assert sensor.subscribed == {}


@pytest.mark.parametrize("config", [{"stream": "ppg"}, {"stream": "imu", "gyro_factor": 0}])
def test_unusable_config_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(ConfigurationError):
        PolarVerity().decoder(config)


@pytest.mark.corpus
def test_published_frames_decode_as_from_any_polar_sensor(shared_dir: Path) -> None:
    path = shared_dir / "protocols" / "vectors" / "polar_h10_verity.json"
    frames = [v for v in json.loads(path.read_text()) if "stream" in v["config"]]
    assert len(frames) >= 9
    for vector in frames:
        data = bytes.fromhex(vector["hex"])
        one, *_ = PolarVerity().decoder(vector["config"]).decode(DATA_UUID, data)
        other, *_ = PolarH10().decoder(vector["config"]).decode(DATA_UUID, data)
        assert isinstance(one, SampleBlock)
        assert isinstance(other, SampleBlock)
        assert (one.device_t0_ns, one.device_dt_ns) == (other.device_t0_ns, other.device_dt_ns)
        quantity = Quantity(
            {"acc": "accel"}.get(vector["config"]["stream"], vector["config"]["stream"])
        )
        np.testing.assert_array_equal(one.values[quantity], other.values[quantity])
