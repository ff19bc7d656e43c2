"""Codes of an authenticator app (TOTP, RFC 6238) as a second factor, and codes for its loss."""

from __future__ import annotations

import base64
import secrets
from typing import Final

import pyotp

from analytics.accounts.secret import digest
from analytics.store.clinic import Clinic
from analytics.store.records import ClinicError, User

STEP_NS: Final = 30_000_000_000
DRIFT_STEPS: Final = 1
"""A phone's clock may be half a minute off."""
RECOVERY_CODES: Final = 10
RECOVERY_BYTES: Final = 10
ISSUER: Final = "Trunkline"


def start(clinic: Clinic, user: User) -> str:
    """The secret that the app has to learn, as base32; not asked for before it is confirmed."""
    kept = clinic.second_factor(user.name)
    if kept is not None and kept.confirmed:
        raise ClinicError("the second factor is on already")
    if kept is None:
        clinic.start_second_factor(user.name, pyotp.random_base32())
        kept = clinic.second_factor(user.name)
    return kept.secret if kept else ""


def address(user: User, secret: str) -> str:
    """What the QR code says."""
    return str(pyotp.TOTP(secret).provisioning_uri(name=user.name, issuer_name=ISSUER))


def confirm(clinic: Clinic, user: User, code: str, now_ns: int) -> list[str]:
    """Switch the factor on with a first code; returns the recovery codes, shown once.
    ClinicError for a wrong code."""
    kept = clinic.second_factor(user.name)
    step = None if kept is None or kept.confirmed else _step_of(kept.secret, code, now_ns)
    if step is None:
        raise ClinicError("this code does not fit; check the clock of the phone and try the next")
    codes = [_recovery_code() for _ in range(RECOVERY_CODES)]
    with clinic.transaction():
        clinic.confirm_second_factor(user.name, step, [digest(_plain(c)) for c in codes])
        clinic.audit(user.name, "second factor on", user.wearer)
    return codes


def is_on(clinic: Clinic, user: User) -> bool:
    """Whether a code is asked for at log-in."""
    kept = clinic.second_factor(user.name)
    return kept is not None and kept.confirmed


def check(clinic: Clinic, user: User, code: str, now_ns: int) -> bool:
    """Whether a code of the app or a recovery code fits; each is good once."""
    kept = clinic.second_factor(user.name)
    if kept is None or not kept.confirmed:
        return False
    step = _step_of(kept.secret, code, now_ns)
    if step is not None:
        return clinic.use_step(user.name, step)
    if not clinic.use_recovery_code(user.name, digest(_plain(code))):
        return False
    clinic.audit(user.name, "recovery code used", user.wearer)
    return True


def switch_off(clinic: Clinic, user: User, *, by: str) -> None:
    """A password is enough again; ClinicError when it was before."""
    with clinic.transaction():
        if not clinic.remove_second_factor(user.name):
            raise ClinicError(f"{user.name} has no second factor")
        clinic.audit(by, "second factor off", user.wearer, user.name)


def _step_of(secret: str, code: str, now_ns: int) -> int | None:
    """The time step whose code this is; None for a wrong one. All are compared, in equal time."""
    digits = code.replace(" ", "")
    now = now_ns // STEP_NS
    app, found = pyotp.TOTP(secret), None
    for step in range(now - DRIFT_STEPS, now + DRIFT_STEPS + 1):
        if pyotp.utils.strings_equal(app.generate_otp(step), digits):
            found = step
    return found


def _recovery_code() -> str:
    """80 random bits as "ABCD-EFGH-IJKL-MNOP"."""
    text = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def _plain(code: str) -> str:
    return "".join(letter for letter in code.upper() if letter.isalnum())
