"""Log-ins that `trunkline up` makes: random passwords, shown once on the screen."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from analytics.accounts.passwords import hashed
from analytics.store.clinic import Clinic
from analytics.store.records import Role


@dataclass(frozen=True, slots=True)
class LogIn:
    """A user whose password is known now and never again."""

    name: str
    password: str


def make_log_ins(clinic: Clinic, wearer: str, *, renew: bool) -> list[LogIn]:
    """Users `patient` (who is `wearer`) and `clinician` (who may see it), where they are missing.

    renew: give existing ones new passwords as well. Returns those whose password is new.
    """
    fresh = []
    for name, role, own in (
        ("patient", Role.PATIENT, wearer),
        ("clinician", Role.CLINICIAN, None),
    ):
        exists = clinic.user(name) is not None
        if exists and not renew:
            continue
        log_in = LogIn(name, secrets.token_urlsafe(9))
        password_hash = hashed(log_in.password, name)
        if exists:
            clinic.set_password(name, password_hash)
        else:
            clinic.add_user(name, password_hash, role, own)
        fresh.append(log_in)
    clinic.grant("clinician", wearer)
    return fresh
