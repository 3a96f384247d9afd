"""How a checksum file is signed, on its way to a node."""

from __future__ import annotations

import re
from datetime import date

from image_library.domain.errors import InvalidRequest, UrlNotAllowed, printable
from image_library.domain.signature import SignatureKind, SignatureSource, SigningKey
from limiquantix.node.v1 import node_daemon_pb as pb

_FINGERPRINT = re.compile(r"[0-9A-F]{40}([0-9A-F]{24})?")
_KINDS = {kind.value: kind for kind in SignatureKind}
_MOST_KEYS = 20
_LARGEST_KEY = 64 << 10
_LONGEST_OWNER = 200
_LONGEST_URL = 2000


def signature_to_wire(source: SignatureSource | None) -> pb.SignatureSource | None:
    if source is None:
        return None
    return pb.SignatureSource(kind=source.kind.value, url=source.url, keys=[_key(key) for key in source.keys])


def _key(key: SigningKey) -> pb.SigningKey:
    return pb.SigningKey(
        fingerprint=key.fingerprint,
        armored=key.armored,
        owner=key.owner,
        expires=key.expires.isoformat() if key.expires else "",
        primary_only=key.primary_only,
    )


def signature_from_wire(message: pb.SignatureSource | None, *, checksum_url: str) -> SignatureSource | None:
    """The source, judged; where it leads is judged when it is fetched.

    Raises:
        InvalidRequest, UrlNotAllowed: a field cannot be used.
    """
    if message is None:
        return None
    if message.kind not in _KINDS:
        raise InvalidRequest(
            f"Signatures of the form '{printable(message.kind)}' are not known here.", field="signature"
        )
    kind = _KINDS[message.kind]
    if (kind is SignatureKind.DETACHED) != bool(message.url) or len(message.url) > _LONGEST_URL:
        raise UrlNotAllowed("A detached signature, and no other, has a URL.", field="signature")
    if not checksum_url or not 0 < len(message.keys) <= _MOST_KEYS:
        raise InvalidRequest(
            "A signature needs a checksum file and the keys that may have made it.", field="signature"
        )
    return SignatureSource(kind=kind, url=message.url, keys=tuple(map(_key_from_wire, message.keys)))


def _key_from_wire(message: pb.SigningKey) -> SigningKey:
    if not _FINGERPRINT.fullmatch(message.fingerprint) or len(message.armored) > _LARGEST_KEY:
        raise InvalidRequest("A pinned key has no fingerprint, or is too large.", field="signature")
    try:
        expires = date.fromisoformat(message.expires) if message.expires else None
    except ValueError:
        raise InvalidRequest("The day on which a pinned key ends is none.", field="signature") from None
    return SigningKey(
        fingerprint=message.fingerprint,
        armored=message.armored,
        owner=printable(message.owner, _LONGEST_OWNER),
        expires=expires,
        primary_only=message.primary_only,
    )
