"""The part of the clinic database about log-ins: sessions, tokens, failures, second factors,
invitations, and who somebody is at an identity provider.

Secrets never come here, only their digests; `analytics.accounts` makes and checks them.
"""

from __future__ import annotations

from analytics.store.database import Database
from analytics.store.records import (
    ApiToken,
    ClinicError,
    Invitation,
    LoginSession,
    Role,
    SecondFactor,
    User,
)

_USER = "user.name, user.password_hash, user.role, user.wearer, user.created_ns"
_SESSION = "s.digest, s.user, s.device, s.created_ns, s.seen_ns, s.ends_ns"
_TOKEN = "t.id, t.user, t.name, t.scopes, t.created_ns, t.ends_ns, t.used_ns"  # noqa: S105
_INVITATION = "name, role, wearer, made_by, created_ns, ends_ns"


class LogIns:
    """Sessions and the like belong to a user and go when that user goes."""

    _db: Database

    # --- sessions --------------------------------------------------------------------------

    def add_session(self, digest: bytes, session: LoginSession) -> None:
        """Begin a session; sessions of anybody that are over are forgotten."""
        with self._db.transaction() as connection:
            connection.execute(
                "DELETE FROM login_session WHERE ends_ns <= ?", (session.created_ns,)
            )
            connection.execute(
                "INSERT INTO login_session VALUES (?, ?, ?, ?, ?, ?)",
                (
                    digest,
                    session.user,
                    session.device,
                    session.created_ns,
                    session.seen_ns,
                    session.ends_ns,
                ),
            )

    def session(self, digest: bytes) -> tuple[User, LoginSession] | None:
        """A session and whose it is, in one look-up: it happens with every request."""
        with self._db.read() as connection:
            row = connection.execute(
                f"SELECT {_USER}, {_SESSION} FROM login_session s"  # noqa: S608
                " JOIN user ON user.name = s.user WHERE s.digest = ?",
                (digest,),
            ).fetchone()
        return None if row is None else (_user(row[:5]), LoginSession(*row[6:]))

    def sessions(self, user: str) -> list[LoginSession]:
        """Sessions of a user, the one that was used last first."""
        with self._db.read() as connection:
            rows = connection.execute(
                f"SELECT {_SESSION} FROM login_session s WHERE user = ?"  # noqa: S608
                " ORDER BY seen_ns DESC",
                (user,),
            ).fetchall()
        return [LoginSession(*row[1:]) for row in rows]

    def touch_session(self, digest: bytes, seen_ns: int) -> None:
        """The session was used."""
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE login_session SET seen_ns = ? WHERE digest = ?", (seen_ns, digest)
            )

    def end_session(self, digest: bytes) -> None:
        """End one session; one that is over already changes nothing."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM login_session WHERE digest = ?", (digest,))

    def end_sessions(self, user: str) -> int:
        """End all sessions of a user; returns how many there were."""
        with self._db.transaction() as connection:
            return connection.execute("DELETE FROM login_session WHERE user = ?", (user,)).rowcount

    # --- tokens ----------------------------------------------------------------------------

    def add_token(self, digest: bytes, token: ApiToken) -> int:
        """Store a token of the API; returns its id."""
        with self._db.transaction() as connection:
            return int(
                connection.execute(
                    "INSERT INTO api_token (user, name, digest, scopes, created_ns, ends_ns)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (
                        token.user,
                        token.name,
                        digest,
                        " ".join(token.scopes),
                        token.created_ns,
                        token.ends_ns,
                    ),
                ).lastrowid
                or 0
            )

    def token(self, digest: bytes) -> tuple[User, ApiToken] | None:
        """A token and whose it is."""
        with self._db.read() as connection:
            row = connection.execute(
                f"SELECT {_USER}, {_TOKEN} FROM api_token t"  # noqa: S608
                " JOIN user ON user.name = t.user WHERE t.digest = ?",
                (digest,),
            ).fetchone()
        return None if row is None else (_user(row[:5]), _token(row[5:]))

    def tokens(self, user: str) -> list[ApiToken]:
        """Tokens of a user, newest first; also those that are over."""
        with self._db.read() as connection:
            rows = connection.execute(
                f"SELECT {_TOKEN} FROM api_token t WHERE user = ? ORDER BY id DESC",  # noqa: S608
                (user,),
            ).fetchall()
        return [_token(row) for row in rows]

    def touch_token(self, token_id: int, used_ns: int) -> None:
        """The token was used."""
        with self._db.transaction() as connection:
            connection.execute("UPDATE api_token SET used_ns = ? WHERE id = ?", (used_ns, token_id))

    def remove_token(self, user: str, token_id: int) -> bool:
        """Revoke a token; False when this user has no such token."""
        with self._db.transaction() as connection:
            removed = connection.execute(
                "DELETE FROM api_token WHERE user = ? AND id = ?", (user, token_id)
            ).rowcount
        return bool(removed)

    # --- failures --------------------------------------------------------------------------

    def failures(self, digest: bytes) -> tuple[int, int]:
        """Failed log-ins in a row under a name (its digest) and when the last one was."""
        with self._db.read() as connection:
            row = connection.execute(
                "SELECT failures, last_ns FROM failed_login WHERE digest = ?", (digest,)
            ).fetchone()
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    def add_failure(self, digest: bytes, at_ns: int, forget_before_ns: int) -> None:
        """One more failure; those of any name before `forget_before_ns` are forgotten."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM failed_login WHERE last_ns < ?", (forget_before_ns,))
            connection.execute(
                "INSERT INTO failed_login VALUES (?, 1, ?) ON CONFLICT DO UPDATE"
                " SET failures = failures + 1, last_ns = excluded.last_ns",
                (digest, at_ns),
            )

    def forget_failures(self, digest: bytes) -> None:
        """A log-in succeeded."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM failed_login WHERE digest = ?", (digest,))

    # --- second factor ---------------------------------------------------------------------

    def second_factor(self, user: str) -> SecondFactor | None:
        """The shared secret of a user's authenticator app, confirmed or not yet."""
        with self._db.read() as connection:
            row = connection.execute(
                "SELECT secret, confirmed, last_step,"
                " (SELECT count(*) FROM recovery_code WHERE user = ?1)"
                " FROM second_factor WHERE user = ?1",
                (user,),
            ).fetchone()
        return None if row is None else SecondFactor(row[0], bool(row[1]), row[2], row[3])

    def start_second_factor(self, user: str, secret: str) -> None:
        """A secret that counts once it is confirmed; replaces one that was not confirmed."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO second_factor (user, secret) VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET secret = excluded.secret WHERE confirmed = 0",
                (user, secret),
            )

    def confirm_second_factor(self, user: str, step: int, codes: list[bytes]) -> None:
        """From now on the factor is asked for; `codes` are the digests of the recovery codes."""
        with self._db.transaction() as connection:
            connection.execute(
                "UPDATE second_factor SET confirmed = 1, last_step = ? WHERE user = ?",
                (step, user),
            )
            connection.execute("DELETE FROM recovery_code WHERE user = ?", (user,))
            connection.executemany(
                "INSERT INTO recovery_code VALUES (?, ?)", [(user, code) for code in codes]
            )

    def use_step(self, user: str, step: int) -> bool:
        """Take a time step of the factor; False when it or a later one was taken already."""
        with self._db.transaction() as connection:
            taken = connection.execute(
                "UPDATE second_factor SET last_step = ?2 WHERE user = ?1 AND last_step < ?2",
                (user, step),
            ).rowcount
        return bool(taken)

    def use_recovery_code(self, user: str, digest: bytes) -> bool:
        """Take a recovery code; False when there is none such."""
        with self._db.transaction() as connection:
            taken = connection.execute(
                "DELETE FROM recovery_code WHERE user = ? AND digest = ?", (user, digest)
            ).rowcount
        return bool(taken)

    def remove_second_factor(self, user: str) -> bool:
        """Forget the factor and its codes; False when there was none."""
        with self._db.transaction() as connection:
            connection.execute("DELETE FROM recovery_code WHERE user = ?", (user,))
            return bool(
                connection.execute("DELETE FROM second_factor WHERE user = ?", (user,)).rowcount
            )

    # --- invitations -----------------------------------------------------------------------

    def add_invitation(self, digest: bytes, invitation: Invitation) -> None:
        """Store an invitation; an earlier one for the same name is void, and old ones go."""
        with self._db.transaction() as connection:
            connection.execute(
                "DELETE FROM invitation WHERE name = ? OR ends_ns <= ?",
                (invitation.name, invitation.created_ns),
            )
            connection.execute(
                f"INSERT INTO invitation (digest, {_INVITATION})"  # noqa: S608
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    digest,
                    invitation.name,
                    invitation.role and str(invitation.role),
                    invitation.wearer,
                    invitation.made_by,
                    invitation.created_ns,
                    invitation.ends_ns,
                ),
            )

    def invitation(self, digest: bytes) -> Invitation | None:
        """An invitation that is open, also when its time is over."""
        with self._db.read() as connection:
            row = connection.execute(
                f"SELECT {_INVITATION} FROM invitation WHERE digest = ?",  # noqa: S608
                (digest,),
            ).fetchone()
        return None if row is None else _invitation(row)

    def invitations(self, made_by: str) -> list[Invitation]:
        """Open invitations that somebody made, newest first."""
        with self._db.read() as connection:
            rows = connection.execute(
                f"SELECT {_INVITATION} FROM invitation WHERE made_by = ?"  # noqa: S608
                " ORDER BY created_ns DESC, name",
                (made_by,),
            ).fetchall()
        return [_invitation(row) for row in rows]

    def remove_invitation(self, digest: bytes) -> bool:
        """It was used; False when somebody else was quicker."""
        with self._db.transaction() as connection:
            return bool(
                connection.execute("DELETE FROM invitation WHERE digest = ?", (digest,)).rowcount
            )

    def withdraw_invitation(self, made_by: str, name: str) -> bool:
        """Take an own invitation back; False when there is none for that name."""
        with self._db.transaction() as connection:
            return bool(
                connection.execute(
                    "DELETE FROM invitation WHERE made_by = ? AND name = ?", (made_by, name)
                ).rowcount
            )

    # --- identity provider -----------------------------------------------------------------

    def link_identity(self, issuer: str, subject: str, user: str) -> None:
        """`subject` at `issuer` is this user; ClinicError when it is somebody else already."""
        with self._db.transaction() as connection:
            connection.execute(
                "INSERT INTO outside_identity VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (issuer, subject, user),
            )
            (found,) = connection.execute(
                "SELECT user FROM outside_identity WHERE issuer = ? AND subject = ?",
                (issuer, subject),
            ).fetchone()
        if found != user:
            raise ClinicError("this account of the provider belongs to another log-in already")

    def user_of_identity(self, issuer: str, subject: str) -> User | None:
        """Who `subject` at `issuer` is; None when nobody said so."""
        with self._db.read() as connection:
            row = connection.execute(
                f"SELECT {_USER} FROM outside_identity o"  # noqa: S608
                " JOIN user ON user.name = o.user WHERE o.issuer = ? AND o.subject = ?",
                (issuer, subject),
            ).fetchone()
        return None if row is None else _user(row)

    def identities(self, user: str) -> list[str]:
        """Issuers at which a user has an account."""
        with self._db.read() as connection:
            rows = connection.execute(
                "SELECT issuer FROM outside_identity WHERE user = ? ORDER BY issuer", (user,)
            ).fetchall()
        return [row[0] for row in rows]

    def unlink_identities(self, user: str) -> bool:
        """Forget the accounts at providers; False when there were none."""
        with self._db.transaction() as connection:
            return bool(
                connection.execute("DELETE FROM outside_identity WHERE user = ?", (user,)).rowcount
            )


def _user(row: tuple[str, str, str, str | None, int]) -> User:
    name, password_hash, role, wearer, created_ns = row
    return User(name, password_hash, Role(role), wearer, created_ns)


def _token(row: tuple[int, str, str, str, int, int, int | None]) -> ApiToken:
    token_id, user, name, scopes, created_ns, ends_ns, used_ns = row
    return ApiToken(user, name, tuple(scopes.split()), created_ns, ends_ns, used_ns, token_id)


def _invitation(row: tuple[str, str | None, str | None, str, int, int]) -> Invitation:
    name, role, wearer, made_by, created_ns, ends_ns = row
    return Invitation(
        name, None if role is None else Role(role), wearer, made_by, created_ns, ends_ns
    )
