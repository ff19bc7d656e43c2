"""The generic profile: a sensor with packets of a fixed layout, described in TOML.

Pure: a text goes in, a profile comes out. Reading files is the command line's business.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping

import numpy as np

from firmware_profiles.base import (
    Advertisement,
    ConfigurationError,
    DecodeError,
    Pause,
    ProfileInfo,
    SampleBlock,
    Step,
    StreamRequest,
    StreamSettings,
    Subscribe,
    Unsubscribe,
    Write,
)
from firmware_profiles.toml_decoder import TomlDecoder
from firmware_profiles.toml_spec import (
    RATE_PLACE,
    Command,
    ProfileSpec,
    VectorSpec,
    parse_spec,
)
from firmware_profiles.toml_table import ProfileFileError

_TOLERANCE = 1e-5
"""Relative: values in vectors are rounded by whoever wrote them; half a count is more."""


def load_profile(text: str) -> TomlProfile:
    """The profile that a TOML text describes, after its own vectors passed.

    Raises ProfileFileError, whose message names the key or the vector.
    """
    profile = TomlProfile(parse_spec(text))
    for vector in profile.spec.vectors:
        _check_vector(profile, vector)
    return profile


class TomlProfile:
    """A profile made of a description."""

    def __init__(self, spec: ProfileSpec) -> None:
        self.spec = spec
        self.info = _info(spec)

    def matches(self, advertisement: Advertisement) -> bool:
        name = advertisement.name or ""
        if self.spec.exclude_names and name.startswith(self.spec.exclude_names):
            return False
        services = set(advertisement.service_uuids)
        named_so = bool(self.spec.names) and name.startswith(self.spec.names)
        return named_so or not services.isdisjoint(self.spec.services)

    def configure(
        self, request: StreamRequest, mtu: int
    ) -> Generator[Step, bytes | None, TomlDecoder]:
        if mtu < self.spec.requires_mtu:
            raise ConfigurationError(
                f"the connection carries {mtu} bytes at once, this sensor needs "
                f"{self.spec.requires_mtu}",
                "use a Bluetooth adapter that negotiates a larger MTU",
            )
        rate_hz = min(self.spec.rates, key=lambda rate: abs(rate - request.rate_hz))
        yield Subscribe(self.spec.packet.characteristic, self.spec.packet.via)
        for command in self.spec.start:
            yield _step(command, self.spec.rates[rate_hz])
        return self._decoder(rate_hz)

    def stop(self) -> Generator[Step, bytes | None, None]:
        for command in self.spec.stop:
            yield _step(command, "")
        yield Unsubscribe(self.spec.packet.characteristic)

    def decoder(self, config: Mapping[str, object]) -> TomlDecoder:
        """config: rate_hz."""
        try:
            rate_hz = float(str(config.get("rate_hz", next(iter(self.spec.rates)))))
        except ValueError:
            rate_hz = 0.0
        if not 0 < rate_hz <= 10_000:
            raise ConfigurationError("rate_hz is not usable", 'give for example {"rate_hz": 50}')
        return self._decoder(rate_hz)

    def _decoder(self, rate_hz: float) -> TomlDecoder:
        spec = self.spec
        quantities = tuple(spec.packet.si_per_count)
        stamp = spec.packet.stamp
        settings = StreamSettings(
            rate_hz,
            quantities,
            spec.accel_range_g,
            spec.gyro_range_dps,
            stamp_step_ns=stamp.tick_ns if stamp else 0.0,
        )
        return TomlDecoder(settings, spec)


def _step(command: Command, rate_code: str) -> Step:
    if not command.characteristic:
        return Pause(command.pause_s)
    data = bytes.fromhex(command.hex.replace(RATE_PLACE, rate_code))
    return Write(command.characteristic, data, command.with_response)


def _check_vector(profile: TomlProfile, vector: VectorSpec) -> None:
    """Raise ProfileFileError when the decoder does not make of a vector what it says."""

    def check(passes: bool, problem: str) -> None:
        if not passes:
            raise ProfileFileError(f"vectors: {vector.name!r} fails: {problem}")

    decoder = profile.decoder({"rate_hz": vector.rate_hz})
    blocks: list[SampleBlock] = []
    try:
        for data in vector.packets:
            blocks.append(decoder.block(data))
    except DecodeError as error:
        check(vector.is_error and len(blocks) == len(vector.packets) - 1, str(error))
        return
    check(not vector.is_error, "the last packet should be refused, but was decoded")
    for quantity, expected in vector.rows.items():
        rows = np.concatenate([block.values[quantity] for block in blocks])
        fits = rows.shape == np.shape(expected)
        check(fits, f"{quantity.value} has {len(rows)} rows, {len(expected)} were expected")
        fits = np.allclose(rows, expected, rtol=_TOLERANCE, atol=_TOLERANCE)
        check(fits, f"{quantity.value} is {[[float(f'{v:.6g}') for v in row] for row in rows]}")
    t0_ns = tuple(block.device_t0_ns for block in blocks)
    check(vector.t0_ns in {None, t0_ns}, f"t0_ns is {list(t0_ns)}")
    lost = tuple(block.lost_before for block in blocks)
    check(vector.lost in {None, lost}, f"lost is {list(lost)}")


def _written(spec: ProfileSpec) -> tuple[str, ...]:
    written = (command.characteristic for command in (*spec.start, *spec.stop))
    return tuple(
        dict.fromkeys(uuid for uuid in written if uuid != spec.packet.characteristic and uuid)
    )


def _info(spec: ProfileSpec) -> ProfileInfo:
    packet = spec.packet
    timestamp = "none: samples are timed by count and arrival at the host"
    loss = "none; statistical only"
    if packet.stamp is not None:
        bits = 8 * packet.head["stamp"].itemsize
        which = "last" if packet.stamp.of_last else "first"
        timestamp = (
            f"{which} sample of a packet; {bits}-bit count of {packet.stamp.tick_ns:g} ns "
            "(wraps are undone)"
        )
        loss = "step between stamps against samples per packet"
    if packet.has("counter"):
        loss = f"counter of {'packets' if packet.counts_packets else 'samples'}"
    return ProfileInfo(
        id=spec.id,
        label=spec.label,
        vendor=spec.vendor,
        sources=spec.sources,
        characteristics=(packet.characteristic, *_written(spec)),
        requires_mtu=spec.requires_mtu,
        rates_hz=tuple(spec.rates),
        accel_ranges_g=() if spec.accel_range_g is None else (spec.accel_range_g,),
        gyro_ranges_dps=() if spec.gyro_range_dps is None else (spec.gyro_range_dps,),
        quantities=tuple(packet.si_per_count),
        timestamp=timestamp,
        loss_detection=loss,
        battery="Battery Service (2A19)" if spec.has_battery_service else "not told",
        records_offline=False,
        placement_advice=spec.placement_advice,
        axes=spec.axes,
        bench_verified=False,
        quirks=spec.quirks,
    )
