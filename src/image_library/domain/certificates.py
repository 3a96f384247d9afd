"""Certificates as text: taken out of their PEM armour, judged by their outer form, and armoured again.

RFC 7468; the outer form is DER's: one SEQUENCE that is as long as it says (X.690).
"""

from __future__ import annotations

import base64
import binascii
import re

from image_library.domain.errors import InvalidGuestSetting

MOST_CERTIFICATES = 512
_ONE = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]{1,65536})-----END CERTIFICATE-----")
_FIELD = "ca_certificates"


def certificates_in(text: str) -> tuple[str, ...]:
    """Every certificate in ``text``, each as PEM of our own making.

    Raises:
        InvalidGuestSetting: there is a private key in it, none at all, or one that is damaged.
    """
    if "PRIVATE KEY" in text:
        raise InvalidGuestSetting("There is a private key beside the certificates.", field=_FIELD)
    found = [_der(match[1]) for match in _ONE.finditer(text)]
    if not found or text.count("-----BEGIN") != len(found) or len(found) > MOST_CERTIFICATES:
        raise InvalidGuestSetting(
            "This is no PEM text of certificates.",
            remedy="Give what begins with '-----BEGIN CERTIFICATE-----', whole.",
            field=_FIELD,
        )
    return tuple(map(_pem, found))


def _der(encoded: str) -> bytes:
    try:
        der = base64.b64decode("".join(encoded.split()), validate=True)
    except binascii.Error:
        der = b""
    if not _is_whole_sequence(der):
        raise InvalidGuestSetting("A certificate is damaged; was it cut off when copying?", field=_FIELD)
    return der


def _is_whole_sequence(der: bytes) -> bool:
    if len(der) < 4 or der[0] != 0x30:
        return False
    count = der[1] & 0x7F
    if der[1] < 0x80:
        return len(der) == 2 + count
    return 1 <= count <= 4 and len(der) == 2 + count + int.from_bytes(der[2 : 2 + count], "big")


def _pem(der: bytes) -> str:
    encoded = base64.b64encode(der).decode()
    lines = [encoded[at : at + 64] for at in range(0, len(encoded), 64)]
    return "\n".join(("-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""))
