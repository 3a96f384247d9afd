"""What an operator set for single sources: whom to trust for their certificates, and what to show them."""

from __future__ import annotations

import base64
import re
import ssl
from collections.abc import Sequence
from pathlib import Path

from image_library.domain.errors import InvalidSettings, printable
from image_library.domain.secret import Secret
from image_library.node.adapters.fetcher.places import ByPlace, assignments
from image_library.node.adapters.fetcher.policy import Hop

_LONGEST_CREDENTIAL = 8192
_BEARER = re.compile(r"[Bb]earer +([A-Za-z0-9._~+/-]+=*)")


class SourceAccess:
    def __init__(self, *, authorities: Sequence[str] = (), credentials: Sequence[str] = ()) -> None:
        """``authorities`` are "PLACE=FILE" with PEM bundles, ``credentials`` with one credential each.

        Raises:
            InvalidSettings: a text has another form, or a file cannot be used.
        """
        bundles = assignments(authorities, setting="source_ca")
        shown = assignments(credentials, setting="source_credentials")
        self._tls = ByPlace((place, _trusting(Path(file))) for place, file in bundles)
        self._credentials = ByPlace((place, _credential(Path(file))) for place, file in shown)

    def tls(self, hop: Hop) -> ssl.SSLContext | bool:
        """What the source's certificate is judged by; True: as everybody's."""
        return self._tls.find(hop.url) or True

    def headers(self, hop: Hop) -> dict[str, str]:
        """What is shown to exactly this place, and only behind encryption."""
        secret = self._credentials.find(hop.url) if hop.encrypted else None
        return {"Authorization": secret.reveal()} if secret else {}


def _trusting(bundle: Path) -> ssl.SSLContext:
    """Trusts this bundle and nobody else; a bundle that holds revocation lists has them obeyed."""
    try:
        text = bundle.read_text("ascii", "replace")
        context = ssl.create_default_context(cafile=str(bundle))
    except (OSError, ssl.SSLError) as error:
        why = printable(str(error.strerror or error)).rstrip(".").lower()
        raise InvalidSettings(
            f"The authorities in '{printable(str(bundle))}' cannot be used: {why}.", field="source_ca"
        ) from None
    if "BEGIN X509 CRL" in text:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    return context


def _credential(file: Path) -> Secret:
    """ "USER:PASSWORD" or "Bearer TOKEN" from a file that only its owner can read."""
    name = printable(str(file))
    try:
        with file.open("rb") as opened:
            readable = file.stat().st_mode & 0o077
            words = opened.read(_LONGEST_CREDENTIAL + 1)
    except OSError as error:
        why = (error.strerror or "unknown reason").lower()
        raise InvalidSettings(f"'{name}' cannot be read: {why}.", field="source_credentials") from None
    if readable:
        raise InvalidSettings(
            f"Others can read the credential in '{name}'.",
            remedy=f"Take it from them: 'chmod 600 {name}'.",
            field="source_credentials",
        )
    text = words.decode("utf-8", "replace").strip()
    if bearer := _BEARER.fullmatch(text):
        return Secret(f"Bearer {bearer[1]}")
    if not re.fullmatch(r"[^:\s]+:[^\r\n]*", text) or len(words) > _LONGEST_CREDENTIAL:
        raise InvalidSettings(
            f"'{name}' holds neither USER:PASSWORD nor Bearer TOKEN.", field="source_credentials"
        )
    return Secret(f"Basic {base64.b64encode(text.encode()).decode()}")
