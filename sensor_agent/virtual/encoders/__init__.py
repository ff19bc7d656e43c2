"""Virtual sensor families by profile id; a new one is one module here and one line below."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType

from firmware_profiles.registry import profile
from firmware_profiles.toml_profile import TomlProfile
from sensor_agent.virtual.encoders.base import Encoder
from sensor_agent.virtual.encoders.capture2go import Capture2GoEncoder
from sensor_agent.virtual.encoders.generic import GenericEncoder
from sensor_agent.virtual.encoders.metamotion import MetaMotionEncoder
from sensor_agent.virtual.encoders.movella_dot import MovellaDotEncoder
from sensor_agent.virtual.encoders.movesense import MovesenseEncoder
from sensor_agent.virtual.encoders.polar_h10 import PolarH10Encoder
from sensor_agent.virtual.encoders.polar_verity import PolarVerityEncoder
from sensor_agent.virtual.encoders.sensortag import SensorTagEncoder
from sensor_agent.virtual.encoders.thingy52 import Thingy52Encoder
from sensor_agent.virtual.encoders.witmotion import WitMotionEncoder

ENCODERS: Mapping[str, Callable[[str], Encoder]] = MappingProxyType(
    {
        "capture2go": Capture2GoEncoder,
        "metamotion": MetaMotionEncoder,
        "movella_dot": MovellaDotEncoder,
        "movesense": MovesenseEncoder,
        "polar_h10": PolarH10Encoder,
        "polar_verity": PolarVerityEncoder,
        "sensortag_cc2650": SensorTagEncoder,
        "thingy52": Thingy52Encoder,
        "witmotion_ble5": WitMotionEncoder,
    }
)
"""Profile id -> encoder factory that takes the serial number shown in the advertised name."""


def encoder_for(profile_id: str) -> Callable[[str], Encoder]:
    """The factory of a built-in or a user's profile; raises KeyError for an unknown one."""
    if profile_id in ENCODERS:
        return ENCODERS[profile_id]
    found = profile(profile_id)
    if not isinstance(found, TomlProfile):
        raise KeyError(profile_id)
    return partial(GenericEncoder, found.spec)
