"""All sensor families by id; a new one is one module and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from firmware_profiles.base import Advertisement, Profile
from firmware_profiles.movella_dot import MovellaDot
from firmware_profiles.movesense import Movesense
from firmware_profiles.polar_h10 import PolarH10
from firmware_profiles.polar_verity import PolarVerity
from firmware_profiles.sensortag import SensorTag
from firmware_profiles.thingy52 import Thingy52
from firmware_profiles.witmotion import WitMotion

_ALL: tuple[Profile, ...] = (
    MovellaDot(),
    Movesense(),
    PolarH10(),
    PolarVerity(),
    SensorTag(),
    Thingy52(),
    WitMotion(),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.info.id: profile for profile in _ALL})


class UnknownProfileError(KeyError):
    """No profile has this id; the message lists those that exist."""

    def __str__(self) -> str:
        return str(self.args[0])


def profile(profile_id: str) -> Profile:
    """The profile with this id; raises UnknownProfileError."""
    if profile_id not in PROFILES:
        known = ", ".join(sorted(PROFILES))
        raise UnknownProfileError(f"no profile is called {profile_id[:40]!r}; there are: {known}")
    return PROFILES[profile_id]


def match(advertisement: Advertisement) -> list[Profile]:
    """Profiles that recognise an advertisement; usually one or none."""
    return [found for found in PROFILES.values() if found.matches(advertisement)]
