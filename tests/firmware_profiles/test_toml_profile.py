"""Sensors described in TOML: the documented example, strictness, layouts, stamps and counters."""

from __future__ import annotations

import re
import struct
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_profiles.base import (
    Advertisement,
    BatteryLevel,
    ConfigurationError,
    DecodeError,
    Quantity,
    SampleBlock,
    StreamRequest,
)
from firmware_profiles.toml_profile import TomlDecoder, TomlProfile, load_profile
from firmware_profiles.toml_table import ProfileFileError

DOCS = (Path(__file__).parents[2] / "docs" / "add-your-sensor.md").read_text()
(EXAMPLE,) = re.findall(r"```toml\n(.*?)```", DOCS, re.DOTALL)
DATA = "19b10001-e8f2-537e-4f6c-d104768a1214"
COMMANDS = "19b10002-e8f2-537e-4f6c-d104768a1214"


def changed(old: str, new: str) -> str:
    assert EXAMPLE.count(old) >= 1, old
    return EXAMPLE.replace(old, new, 1)


def packet(counter: int = 0, stamp: int = 0, first: int = 0) -> bytes:
    return struct.pack("<BBI6h", 0xA1, counter, stamp, first, *range(5))


def blocks(decoder: TomlDecoder, *packets: bytes) -> list[SampleBlock]:
    return [decoder.block(data) for data in packets]


@pytest.fixture
def example() -> TomlProfile:
    return load_profile(EXAMPLE)


# --- the documented example --------------------------------------------------------------------


def test_documented_example_is_a_profile(example: TomlProfile, scripted: Any) -> None:
    info = example.info
    assert (info.id, info.rates_hz, info.accel_ranges_g) == ("my_xiao", (50.0, 100.0), (16.0,))
    assert info.quantities == (Quantity.ACCEL, Quantity.GYRO)
    assert "32-bit count of 1e+06 ns" in info.timestamp
    assert info.loss_detection == "counter of packets"
    assert not info.bench_verified
    sensor = scripted({})
    decoder = sensor.run(example.configure(StreamRequest(rate_hz=90.0), 23))
    assert sensor.subscribed == {DATA: "notify"}
    assert sensor.writes == ["0164"]
    assert decoder.settings.rate_hz == 100
    sensor.run(example.stop())
    assert (sensor.writes, sensor.subscribed) == (["0164", "00"], {})


def test_every_key_is_documented() -> None:
    table = DOCS.partition("## Keys")[2]
    for key in re.findall(r"^(\w+) =", EXAMPLE, re.MULTILINE):
        assert key in table, key


@pytest.mark.parametrize(
    ("name", "uuids", "expected"),
    [
        ("TrunkIMU 1", (), True),
        ("TrunkIMU-test", ("19b10000-e8f2-537e-4f6c-d104768a1214",), False),
        (None, ("19b10000-e8f2-537e-4f6c-d104768a1214",), True),
        ("Other", (), False),
        (None, (), False),
    ],
)
def test_match(
    example: TomlProfile, name: str | None, uuids: tuple[str, ...], expected: bool
) -> None:
    assert example.matches(Advertisement(name, uuids)) is expected


def test_small_mtu_is_refused(scripted: Any) -> None:
    own = load_profile(changed("requires_mtu = 23", "requires_mtu = 100"))
    with pytest.raises(ConfigurationError, match="needs 100"):
        scripted({}).run(own.configure(StreamRequest(), 23))


# --- refusals ----------------------------------------------------------------------------------

VECTORS = EXAMPLE.index("[[vectors]]")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "schema_version: is missing"),
        ("x =", "not TOML"),
        (changed("schema_version = 1", "schema_version = 2"), "schema_version: is 2, must be 1"),
        (changed("schema_version = 1", "schema_version = true"), "schema_version: must be a whole"),
        (changed('id = "my_xiao"', 'id = "My Xiao"'), "id: 2 to 32"),
        (changed('label = "XIAO Sense with my sketch"\n', ""), "label: is missing"),
        (changed('vendor = "self-made"', "vendor = 3"), "vendor: must be a text"),
        (changed('vendor = "self-made"', 'vendor = ""'), "vendor: must be a text"),
        (changed('vendor = "', 'colour = "red"\nvendor = "'), "colour: there is no such key"),
        (changed("requires_mtu = 23", "requires_mtu = 9"), "requires_mtu: is 9, must be 23"),
        (changed('battery = "none"', 'battery = "big"'), "battery: must be one of standard, none"),
        (changed("accel_range_g = 16", "accel_range_g = -1"), "accel_range_g: must be a number"),
        (changed("accel_range_g = 16", "accel_range_g = nan"), "accel_range_g: must be a number"),
        (changed('names = ["TrunkIMU"]', 'names = ["TrunkIMU", 3]'), "match.names: must be a list"),
        (changed('services = ["19b1', 'services = ["'), "match: '0000-e8f2"),
        (changed("[match]", "[match]\nrssi = 3"), "match.rssi: there is no such key"),
        (changed('begins_with = "a1"', 'begins_with = "a"'), "packet.begins_with: 'a' is not hex"),
        (changed('"u8 counter"', '"u12 counter"'), r"packet.head\[0\]: 'u12' is no type of i8"),
        (changed('"u8 counter"', '"i8 counter"'), "counter must be of an unsigned type"),
        (changed('"u8 counter"', '"u8 count"'), r"packet.head\[0\]: 'count' is none of stamp"),
        (changed('"u8 counter"', '"u8 skip"'), "counter: a counter in packet.head and a table"),
        (changed('"u32 stamp"', '"u32 skip"'), "stamp: a stamp in packet.head and a table"),
        (changed('"i16 accel_z"', '"i16 accel_y"'), r"packet.sample\[2\]: accel_y is there twice"),
        (changed('"i16 gyro_z"', '"i16 skip"'), "packet.sample: gyro needs x, y and z"),
        (changed('"i16 gyro_z"', '"i16 mag_x"'), "packet.sample: gyro needs x, y and z"),
        (changed("samples = 1\n", "samples = 0\n"), "packet.samples: is 0, must be 1 to 240"),
        (changed("samples = 1\n", 'samples = "all"\n'), "packet.samples: must be a whole number"),
        (changed('unit = "g"', 'unit = "deg/s"'), "scale.accel.unit: must be one of m/s2, g, mg"),
        (changed("per_unit = 2048", "per_unit = 0"), "scale.accel.per_unit: must be a number"),
        (changed("accel = { unit", "mag = { unit"), "scale.accel: is missing"),
        (changed("tick_ns = 1_000_000", "tick_ns = 0"), "stamp.tick_ns: must be a number above 0"),
        (changed('of = "first"', 'of = "middle"'), "stamp.of: must be one of first, last"),
        (changed('counts = "packets"', ""), "counter.counts: is missing"),
        (changed("rate_hz = 100", "rate_hz = 50"), r"rates\[1\].rate_hz: 50 is there twice"),
        (changed('code = "64"', ""), "rates: more than one, so each needs a code"),
        (changed('"01{rate}"', '"01"'), "rates: more than one"),
        (changed('hex = "00"', 'hex = "{rate}"'), "stop: {rate} is for start steps only"),
        (changed('hex = "00"', 'hex = "0"'), r"stop\[0\].hex: '0' is not hex"),
        (changed("pause_s = 0.05", "pause_s = 0.05\nhex = '00'"), r"start\[1\].hex: there is no"),
        (changed("accel = [[9.80665", "accel = [[9.5"), "vectors: 'one sample' fails: accel is"),
        (changed("accel = [[9.80665", "accel = [['x'"), r"vectors\[0\].accel: must be made of"),
        (changed("t0_ns = [1_000_000_000]", "t0_ns = [5]"), r"'one sample' fails: t0_ns is \[1000"),
        (changed("lost = [0, 2]", "lost = [0, 1]"), r"two packets lost' fails: lost is \[0, 2\]"),
        (changed("error = true", "error = false"), r"vectors\[3\]: give rows such as accel"),
        (
            changed(
                '"a107e8030000000800fc1400a400aeff00"', '"a107e8030000000800fc1400a400aeff0000"'
            ),
            "'one byte too short' fails: the last packet should be refused",
        ),
        (changed('["a107e8', '["a207e8'), "'one sample' fails: packet does not begin with a1"),
        (EXAMPLE[:VECTORS], "vectors: none says which accel comes of a packet; add one"),
        (EXAMPLE.replace("\ngyro = [[", "\n# gyro = [["), "vectors: none says which gyro"),
        (EXAMPLE + "\n[[start]]\nx = 1", r"start\[2\].hex: is missing"),
    ],
)
def test_refused_with_a_message_that_names_the_key(text: str, message: str) -> None:
    with pytest.raises(ProfileFileError, match=message) as caught:
        load_profile(text)
    assert "\n" not in str(caught.value)


@settings(max_examples=300, deadline=None, database=None)
@given(st.integers(0, len(EXAMPLE)), st.integers(0, 60), st.text(max_size=6))
def test_damaged_files_are_refused_cleanly(at: int, cut: int, put: str) -> None:
    with suppress(ProfileFileError):
        load_profile(EXAMPLE[:at] + put + EXAMPLE[at + cut :])


# --- decoding ----------------------------------------------------------------------------------


def test_counter_and_stamps(example: TomlProfile) -> None:
    decoder = example.decoder({"rate_hz": 100})
    found = blocks(decoder, packet(254, 10), packet(255, 20), packet(2, 50), packet(2, 50))
    assert [block.lost_before for block in found] == [0, 0, 2, 0]
    assert [block.device_t0_ns for block in found] == [10**7, 2 * 10**7, 5 * 10**7, 5 * 10**7]
    later = decoder.block(packet(3, 60))
    assert (later.lost_before, later.restarted, later.device_dt_ns) == (0, False, 1e7)
    again = decoder.block(packet(0, 2**32 - 10**8))
    assert (again.restarted, again.lost_before) == (True, 0)


BATCHED = (
    changed("samples = 1\n", 'samples = "rest"\n')
    .replace('of = "first"', 'of = "last"')
    .replace('"u8 counter", ', "")
    .replace('[counter]\ncounts = "packets"\n', "")
)


def batched(stamp: int, n: int) -> bytes:
    return struct.pack("<BI", 0xA1, stamp) + b"".join(
        struct.pack("<6h", *range(i, i + 6)) for i in range(n)
    )


def own_vectors(text: str, hexes: list[str], accel: list[list[float]], gyro: Any) -> str:
    vector = f"[[vectors]]\nname = 'v'\npackets = {hexes}\naccel = {accel}\ngyro = {gyro}\n"
    return text[: text.index("[[vectors]]")] + vector


def test_many_samples_stamped_at_the_last_one() -> None:
    g, dps = 9.80665 / 2048, float(np.radians(1 / 16.4))
    accel = [[(i + j) * g for j in range(3)] for i in range(5)]
    gyro = [[(i + j) * dps for j in range(3, 6)] for i in range(5)]
    own = load_profile(own_vectors(BATCHED, [batched(1000, 5).hex()], accel, gyro))
    decoder = own.decoder({"rate_hz": 50})
    found = blocks(decoder, batched(1000, 5), batched(1101, 5), batched(1300, 5))
    assert [block.device_t0_ns for block in found] == [920_000_000, 1_021_000_000, 1_220_000_000]
    assert [block.lost_before for block in found] == [0, 0, 5]
    assert found[0].lsb == pytest.approx({Quantity.ACCEL: g, Quantity.GYRO: dps})
    for size in (0, 1, 5, 16, 18):
        with pytest.raises(DecodeError):
            decoder.block(batched(1000, 2)[:size])


FLOATS = """
schema_version = 1
id = "floats"
label = "f"
vendor = "v"
sources = ["s"]
placement_advice = "p"
axes = "a"
[match]
names = ["F"]
[packet]
characteristic = "19b10001-e8f2-537e-4f6c-d104768a1214"
via = "indicate"
byte_order = "big"
head = ["u16 counter"]
sample = [
  "f32 accel_x", "f32 accel_y", "f32 accel_z", "u8 skip", "i32 mag_x", "i32 mag_y", "i32 mag_z",
]
samples = 2
[scale.accel]
unit = "m/s2"
[scale.mag]
unit = "mG"
[counter]
counts = "samples"
[[rates]]
rate_hz = 25
[[vectors]]
name = "two"
packets = ["{}"]
accel = [[1.5, -2.5, 9.75], [0.25, 0.0, -9.5]]
mag = [[10.0, -20.0, 30.0], [0.1, 0.2, 0.3]]
"""


def floats(counter: int, first: float = 1.5) -> bytes:
    one = struct.pack(">3fB3i", first, -2.5, 9.75, 7, 100, -200, 300)
    return struct.pack(">H", counter) + one + struct.pack(">3fB3i", 0.25, 0.0, -9.5, 7, 1, 2, 3)


def test_big_endian_floats_without_a_stamp() -> None:
    own = load_profile(FLOATS.replace("{}", floats(0).hex()))
    decoder = own.decoder({})
    found = blocks(decoder, floats(65532), floats(65534), floats(0), floats(6), floats(0))
    assert [block.lost_before for block in found] == [0, 0, 0, 4, 0]
    assert [block.restarted for block in found] == [False, False, False, False, True]
    assert {block.device_t0_ns for block in found} == {None}
    assert found[0].lsb == pytest.approx({Quantity.MAG: 0.1})
    with pytest.raises(DecodeError, match="finite"):
        decoder.block(floats(0, float("nan")))
    with pytest.raises(DecodeError):
        decoder.decode("0000180d-0000-1000-8000-00805f9b34fb", b"")


INTERLEAVED = """
schema_version = 1
id = "mixed"
label = "m"
vendor = "v"
sources = ["s"]
placement_advice = "p"
axes = "a"
[match]
names = ["M"]
[packet]
characteristic = "19b10001-e8f2-537e-4f6c-d104768a1214"
sample = [
  "i16 accel_x", "i16 gyro_x", "i16 accel_y", "i16 gyro_y", "i16 accel_z", "i16 gyro_z",
  "f32 mag_x", "i8 mag_y", "u8 mag_z",
]
samples = "rest"
[scale.accel]
unit = "mg"
[scale.gyro]
unit = "mdeg/s"
[scale.mag]
unit = "uT"
[[rates]]
rate_hz = 25
[[vectors]]
name = "two"
packets = ["{}"]
accel = [[0.980665, -1.96133, 9.80665], [0.0, 0.0, 0.0]]
gyro = [[0.0017453293, -0.00017453293, 0.0], [0.0, 0.0, 0.0]]
mag = [[0.5, -2.0, 200.0], [0.0, 0.0, 0.0]]
"""


def test_fields_in_any_order_and_of_any_type() -> None:
    data = struct.pack("<6hfbB", 100, 100, -200, -10, 1000, 0, 0.5, -2, 200) + bytes(18)
    own = load_profile(INTERLEAVED.replace("{}", data.hex()))
    block = own.decoder({}).block(data)
    assert block.n == 2
    assert set(block.lsb) == {Quantity.ACCEL, Quantity.GYRO}
    np.testing.assert_allclose(block.values[Quantity.MAG], [[0.5, -2, 200], [0, 0, 0]])


@pytest.mark.parametrize("rate_hz", [0, -1, "x", "nan"])
def test_unusable_config_is_refused(rate_hz: object, example: TomlProfile) -> None:
    with pytest.raises(ConfigurationError):
        example.decoder({"rate_hz": rate_hz})


@settings(max_examples=300, deadline=None, database=None)
@given(
    st.lists(
        st.binary(max_size=40)
        | st.binary(min_size=17, max_size=17).map(lambda body: b"\xa1" + body),
        max_size=6,
    )
)
def test_any_bytes_give_samples_or_decode_error(packets: list[bytes]) -> None:
    decoder = load_profile(EXAMPLE).decoder({})
    for data in packets:
        with suppress(DecodeError):
            (block,) = decoder.decode(DATA, data)
            assert isinstance(block, SampleBlock)
            assert block.lost_before >= 0
            assert all(np.isfinite(rows).all() for rows in block.values.values())
    battery = "00002a19-0000-1000-8000-00805f9b34fb"
    assert decoder.decode(battery, b"\x2a") == [BatteryLevel(42)]
