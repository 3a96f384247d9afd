"""Why a source's TLS is not accepted, in words."""

from __future__ import annotations

import ssl
from datetime import datetime

# X509_V_ERR_… of OpenSSL's x509_vfy.h, which ssl.SSLCertVerificationError.verify_code holds.
_EXPIRED, _NOT_YET_VALID = 10, 9
_CERTIFICATE: dict[int, str] = {
    _NOT_YET_VALID: "it is not valid yet",
    _EXPIRED: "it has expired",
    2: "its authority is not known here",
    18: "it is self-signed",
    19: "its chain ends in a self-signed certificate that is not known here",
    20: "its authority is not known here",
    21: "its authority is not known here",
    23: "it was revoked",
    3: "there is no revocation list of its authority, though the bundle demands one",
    12: "the revocation list of its authority has expired",
    24: "it was issued by one that may not issue any",
    62: "it belongs to another name",
    64: "it belongs to another address",
    66: "its key is too weak",
    67: "its authority's key is too weak",
    68: "its signature is too weak",
}
_BY_THE_CLOCK = frozenset({_EXPIRED, _NOT_YET_VALID})

# ssl.SSLError.reason.
_HANDSHAKE: dict[str, str] = {
    "UNSUPPORTED_PROTOCOL": "it speaks TLS 1.1 or older only, and 1.2 is the least",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it speaks no version of TLS that is accepted here",
    "WRONG_VERSION_NUMBER": "what answers there speaks no TLS",
    "HTTP_REQUEST": "what answers there speaks no TLS",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it and this node have no cipher in common",
    "HANDSHAKE_FAILURE": "it and this node have no cipher in common",
    "NO_SHARED_CIPHER": "it and this node have no cipher in common",
    "DH_KEY_TOO_SMALL": "its key exchange is too weak",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a certificate of this node, which has none",
    "TLSV1_UNRECOGNIZED_NAME": "it does not know that name",
}


def certificate_reason(error: BaseException, *, now: datetime) -> str:
    """What is wrong with the certificate; "" where the error says nothing of one.

    Where the clock decided, its time is told: it may be the clock that is wrong.
    """
    if not isinstance(error, ssl.SSLCertVerificationError) or not getattr(error, "verify_message", ""):
        return ""
    reason = _CERTIFICATE.get(error.verify_code, error.verify_message.rstrip("."))
    if error.verify_code in _BY_THE_CLOCK:
        reason += f" (this machine's clock says {now:%Y-%m-%d %H:%M} UTC; is it right?)"
    return reason


def handshake_reason(error: BaseException) -> str:
    """Why the handshake failed; "" where the error does not tell."""
    # The HTTP library's own error is of that class too, but has no reason.
    reason = str(getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else ""
    return _HANDSHAKE.get(reason, reason.replace("_", " ").lower()) if reason else ""
