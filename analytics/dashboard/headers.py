"""Headers of every answer: nothing inline, nothing from elsewhere, nothing kept by caches."""

from __future__ import annotations

from flask import Flask, Response, request

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_ALWAYS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_A_YEAR_S = 31_536_000


def register(app: Flask, *, secure: bool) -> None:
    """Add the headers to every answer, errors included."""

    @app.after_request
    def add(response: Response) -> Response:
        response.headers.update(_ALWAYS)
        if secure:
            response.headers["Strict-Transport-Security"] = f"max-age={_A_YEAR_S}"
        is_asset = request.endpoint == "static"
        if is_asset and "v" in request.args and response.status_code == 200:
            response.headers["Cache-Control"] = f"public, max-age={_A_YEAR_S}, immutable"
        elif not is_asset:
            response.headers["Cache-Control"] = "no-store"
        return response
