"""Signatures of publishers: whose keys are believed, and what a cleartext signature covers."""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from datetime import date
from enum import Enum

from image_library.domain.errors import SignatureInvalid, SignatureMissing

# A signature is a kilobyte, a checksum file seldom a hundred.
MAX_SIGNATURE_BYTES = 1 << 20

_START = "-----BEGIN PGP SIGNED MESSAGE-----"
_SIGNATURE_START = "-----BEGIN PGP SIGNATURE-----"
_SIGNATURE_END = "-----END PGP SIGNATURE-----"
_ARMOR = re.compile(r"-----(BEGIN|END) PGP ")


class SignatureKind(Enum):
    # A file of its own beside the checksum file.
    DETACHED = "detached"
    # The checksum file itself is text inside a cleartext signature.
    CLEARSIGNED = "clearsigned"


@dataclass(frozen=True, kw_only=True)
class SigningKey:
    """A publisher's OpenPGP key that is pinned, with what was known of it when it was."""

    # Of its primary key, in upper-case hexadecimal.
    fingerprint: str
    # The public key in ASCII armor.
    armored: str
    owner: str = ""
    # The last day on which it is believed; none where it does not end.
    expires: date | None = None
    # What it says of itself is signed with SHA-1 or it signs in a form of 1998: only its primary key is
    # used, by itself, because this very key is pinned.
    primary_only: bool = False


@dataclass(frozen=True, kw_only=True)
class SignatureSource:
    """How a checksum file is signed, and by whom: any one of the keys."""

    kind: SignatureKind
    # Of the detached signature.
    url: str = ""
    keys: tuple[SigningKey, ...]


@dataclass(frozen=True)
class Cleartext:
    """A text and the signature of exactly its bytes."""

    text: bytes
    # In ASCII armor.
    signature: bytes


def read_cleartext(content: bytes) -> Cleartext:
    """What a cleartext signature covers, as it is signed: lines end in CR LF, blanks at their ends are gone.

    Whatever stands before and after it is covered by nothing and is left out. Source: RFC 9580, section 7.

    Raises:
        SignatureMissing: there is no cleartext signature.
        SignatureInvalid: it is cut off or malformed, or there are several.
    """
    # Every byte is a character here: what is signed are bytes.
    lines = [line.rstrip(" \t\r") for line in content.decode("latin-1").split("\n")]
    if _START not in lines:
        raise SignatureMissing("The checksum file is not signed.")
    if lines.count(_START) > 1:
        raise SignatureInvalid("The checksum file holds several signed texts.")
    start = lines.index(_START)
    try:
        body = lines.index("", start + 1) + 1
        end = lines.index(_SIGNATURE_START, body)
        last = lines.index(_SIGNATURE_END, end)
    except ValueError:
        raise SignatureInvalid("The signed checksum file is cut off.") from None
    # Only "Hash" may stand in front of the text; anything else could pass for it to a human reader.
    if not all(header.startswith("Hash: ") for header in lines[start + 1 : body - 1]):
        raise SignatureInvalid("The signed checksum file has unknown headers.")
    text = lines[body:end]
    if any(line.startswith("-") and not line.startswith("- ") for line in text):
        raise SignatureInvalid("The signed checksum file is malformed.")
    signed = "\r\n".join(line.removeprefix("- ") for line in text)
    return Cleartext(signed.encode("latin-1"), "\n".join(lines[end : last + 1]).encode("latin-1"))


def read_armor(content: bytes) -> bytes:
    """The bytes inside a signature's ASCII armor; bytes that are not armored are returned as they are.

    The checksum of armor is not looked at: RFC 9580, section 6.1.

    Raises:
        SignatureInvalid: it is cut off or malformed, or there are several.
    """
    if not content.lstrip().startswith(b"-----"):
        return content
    lines = [line.strip() for line in content.decode("latin-1").split("\n")]
    marks = [number for number, line in enumerate(lines) if _ARMOR.match(line)]
    if [lines[number] for number in marks] != [_SIGNATURE_START, _SIGNATURE_END]:
        raise SignatureInvalid("The signature's armor is not one whole signature.")
    inside = lines[marks[0] + 1 : marks[1]]
    if "" not in inside:
        raise SignatureInvalid("The signature's armor has no beginning.")
    data = [line for line in inside[inside.index("") + 1 :] if line and not line.startswith("=")]
    return _from_base64("".join(data))


def _from_base64(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text, strict_mode=True)
    except ValueError:
        raise SignatureInvalid("The signature's armor is not base64.") from None
