"""The web UI's files, as its build left them, and the headers that keep a browser safe with them.

Source: Content Security Policy Level 3, RFC 8246 (immutable).
"""

from __future__ import annotations

import gzip
import mimetypes
import secrets
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from image_library.controlplane.handlers.error_body import error_response
from image_library.domain.errors import NotImplementedYet, printable

BUILT = Path(__file__).parents[2] / "web"
# What the page carries where each answer gets a number of its own.
NONCE_MARK = "%NONCE%"
# What begins so is for programs; a page never lives there.
_DOORS = ("/limiquantix.", "/uploads", "/blobs", "/session", "/healthz", "/assets/")
_FOR_EVER = "public, max-age=31536000, immutable"
_WORTH_PACKING = 1024
_SAFE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
_MISSING = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Image Library</title>
<h1>The web pages are not built yet</h1>
<p>The server runs, and the command line and every program can use it. To get the pages, start it with
<code>./run up</code> from a checkout, which builds them with Node 20.19 or newer, or install the package
from its wheel, which carries them. Then load this page again.</p></html>"""


class WebFiles:
    """Routes to be mounted in the web application, after all others."""

    def __init__(self, root: Path = BUILT) -> None:
        self._root = root

    def routes(self) -> list[Route]:
        methods = ["GET", "HEAD"]
        return [
            Route("/assets/{name}", self._asset, methods=methods),
            Route("/{name:path}", self._page, methods=methods),
        ]

    async def _asset(self, request: Request) -> Response:
        path = self._root / "assets" / request.path_params["name"]
        return _file(request, path, cache=_FOR_EVER) if _plain(path) else _nothing(request)

    async def _page(self, request: Request) -> Response:
        name = request.path_params["name"]
        path = self._root / name
        if name and "/" not in name and name != "index.html" and _plain(path):
            return _file(request, path, cache="no-cache")
        return self._index() if _wants_page(request) else _nothing(request)

    def _index(self) -> Response:
        nonce = secrets.token_urlsafe(16)
        index = self._root / "index.html"
        text = index.read_text(encoding="utf-8") if index.is_file() else _MISSING
        response = HTMLResponse(
            text.replace(NONCE_MARK, nonce), headers=_SAFE | {"Cache-Control": "no-store"}
        )
        response.headers["Content-Security-Policy"] = _POLICY.format(nonce=nonce)
        return response


def _wants_page(request: Request) -> bool:
    """Whether a browser goes to a page; which pages there are, the UI itself knows."""
    path = request.url.path
    if path == "/":
        return True
    return "text/html" in request.headers.get("accept", "") and not path.startswith(_DOORS)


def _plain(path: Path) -> bool:
    """Names come from outside: hidden ones and links lead nowhere."""
    return (
        not path.name.startswith(".") and "\0" not in path.name and path.is_file() and not path.is_symlink()
    )


def _file(request: Request, path: Path, *, cache: str) -> Response:
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    plain, packed = _content(path, path.stat().st_mtime_ns)
    headers = _SAFE | {"Cache-Control": cache, "Vary": "Accept-Encoding"}
    if packed and "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, headers=headers | {"Content-Encoding": "gzip"}, media_type=kind)
    return Response(plain, headers=headers, media_type=kind)


@lru_cache(maxsize=256)
def _content(path: Path, changed: int) -> tuple[bytes, bytes]:
    """A file as it is and packed; empty where packing it does not pay."""
    plain = path.read_bytes()
    packed = gzip.compress(plain, 9) if len(plain) > _WORTH_PACKING else b""
    return plain, packed if len(packed) < len(plain) * 0.9 else b""


def _nothing(request: Request) -> Response:
    message = f"There is nothing at '{printable(request.url.path)}'."
    return error_response(NotImplementedYet(message, remedy="RPCs are at /PACKAGE.SERVICE/METHOD."), 404)
