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

from image_library.controlplane.handlers.error_body import error_response
from image_library.domain.errors import NotImplementedYet, printable

BUILT = Path(__file__).parents[2] / "web"
# What the page carries where each answer gets a number of its own.
NONCE_MARK = "%NONCE%"
# What begins so is for programs; a page never lives there.
_ASSETS = "/assets/"
_DOORS = ("/limiquantix.", "/uploads", "/blobs", "/session", "/healthz", _ASSETS)
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
    """Answers what no other door does: as Starlette's handler of status 404."""

    def __init__(self, root: Path = BUILT) -> None:
        self._root = root

    async def answer(self, request: Request, error: Exception) -> Response:
        path = request.url.path
        if request.method not in ("GET", "HEAD"):
            return _nothing(request)
        if path.startswith(_ASSETS):
            return self._found(request, f"assets/{path.removeprefix(_ASSETS)}", cache=_FOR_EVER)
        if path.count("/") == 1 and _plain(self._root / path[1:]):
            return self._found(request, path[1:], cache="no-cache")
        return self._index() if _wants_page(request) else _nothing(request)

    def _found(self, request: Request, name: str, *, cache: str) -> Response:
        path = self._root / name
        # A name comes from outside, and is one of a folder, not a way through folders.
        if path.parent not in (self._root, self._root / "assets") or not _plain(path):
            return _nothing(request)
        return _file(request, path, cache=cache)

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
    """Whether it is a file of the build that may be named. Names come from outside."""
    name = path.name
    odd = name.startswith(".") or name == "index.html" or "\0" in name
    return not odd and path.is_file() and not path.is_symlink()


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
