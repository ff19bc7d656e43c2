"""All sensor families by id; a new one is one module and one line here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from firmware_profiles.base import Advertisement, Profile, ProfileError
from firmware_profiles.capture2go import Capture2Go
from firmware_profiles.metamotion import MetaMotion
from firmware_profiles.movella_dot import MovellaDot
from firmware_profiles.movesense import Movesense
from firmware_profiles.polar_h10 import PolarH10
from firmware_profiles.polar_verity import PolarVerity
from firmware_profiles.sensortag import SensorTag
from firmware_profiles.thingy52 import Thingy52
from firmware_profiles.witmotion import WitMotion

_ALL: tuple[Profile, ...] = (
    Capture2Go(),
    MetaMotion(),
    MovellaDot(),
    Movesense(),
    PolarH10(),
    PolarVerity(),
    SensorTag(),
    Thingy52(),
    WitMotion(),
)

PROFILES: Mapping[str, Profile] = MappingProxyType({profile.info.id: profile for profile in _ALL})


_user_profiles: dict[str, Profile] = {}


def set_user_profiles(profiles: Iterable[Profile]) -> None:
    """Make the profiles that a user described known beside the built-in ones, instead of those
    set before; raises ProfileError when an id is taken."""
    found: dict[str, Profile] = {}
    for own in profiles:
        if own.info.id in PROFILES or own.info.id in found:
            raise ProfileError(f"id: {own.info.id} is taken by another profile; choose a new one")
        found[own.info.id] = own
    _user_profiles.clear()
    _user_profiles.update(found)


def all_profiles() -> list[Profile]:
    """The built-in profiles, then the user's."""
    return [*PROFILES.values(), *_user_profiles.values()]


class UnknownProfileError(KeyError):
    """No profile has this id; the message lists those that exist."""

    def __str__(self) -> str:
        return str(self.args[0])


def profile(profile_id: str) -> Profile:
    """The profile with this id; raises UnknownProfileError."""
    known = {found.info.id: found for found in all_profiles()}
    if profile_id not in known:
        names = ", ".join(sorted(known))
        raise UnknownProfileError(f"no profile is called {profile_id[:40]!r}; there are: {names}")
    return known[profile_id]


def match(advertisement: Advertisement) -> list[Profile]:
    """Profiles that recognise an advertisement; usually one or none."""
    return [found for found in all_profiles() if found.matches(advertisement)]
