"""OpenSSH public keys: one line of text, taken apart, judged and put together again.

After RFC 4251, 4253 and 5656, and OpenSSH's PROTOCOL.u2f for security keys.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from image_library.domain.errors import InvalidSshKey

SMALLEST_RSA_BITS = 2048
LARGEST_RSA_BITS = 16384
LONGEST_LINE = 16384
LONGEST_COMMENT = 128

# Curve name and length of an uncompressed point: 0x04 and two coordinates.
_CURVES: Mapping[str, tuple[str, int]] = {
    "ecdsa-sha2-nistp256": ("nistp256", 65),
    "ecdsa-sha2-nistp384": ("nistp384", 97),
    "ecdsa-sha2-nistp521": ("nistp521", 133),
    "sk-ecdsa-sha2-nistp256@openssh.com": ("nistp256", 65),
}
_EDWARDS = frozenset({"ssh-ed25519", "sk-ssh-ed25519@openssh.com"})
_HARDWARE = frozenset({"sk-ssh-ed25519@openssh.com", "sk-ecdsa-sha2-nistp256@openssh.com"})
ALGORITHMS = frozenset({"ssh-rsa", *_CURVES, *_EDWARDS})


@dataclass(frozen=True, kw_only=True)
class SshPublicKey:
    """A key whose inner structure was checked; ``blob`` is its wire form."""

    algorithm: str
    blob: bytes
    comment: str = ""

    @property
    def line(self) -> str:
        """The key as a line of ``authorized_keys``, made of the parsed parts."""
        encoded = base64.b64encode(self.blob).decode("ascii")
        return f"{self.algorithm} {encoded} {self.comment}".rstrip()

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it: ``SHA256:`` and base64 without padding."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode("ascii")
        return f"SHA256:{digest.rstrip('=')}"


def parse_public_key(text: str) -> SshPublicKey:
    """The one OpenSSH public key that ``text`` is.

    Raises:
        InvalidSshKey: it is a private key, several lines, carries options, or is of a kind, size or
            inner form that an SSH server would refuse. The message never repeats the text.
    """
    line = text.strip()
    _refuse_other_kinds_of_text(line)
    algorithm, _, rest = line.partition(" ")
    if algorithm not in ALGORITHMS:
        raise _refused(_why_not(algorithm))
    encoded, _, comment = rest.strip().partition(" ")
    blob = _decoded(encoded)
    _check(algorithm, _Fields(blob))
    return SshPublicKey(algorithm=algorithm, blob=blob, comment=_clean(comment))


def _refused(sentence: str) -> InvalidSshKey:
    return InvalidSshKey(sentence, field="ssh_authorized_keys")


def _refuse_other_kinds_of_text(line: str) -> None:
    if "PRIVATE KEY" in line or line.startswith("PuTTY-User-Key-File"):
        raise _refused("This is a private key; it must not leave the machine that it was made on.")
    if not line:
        raise _refused("The SSH key is empty.")
    if "SSH2 PUBLIC KEY" in line:
        raise InvalidSshKey(
            "The SSH key is in RFC 4716 form.",
            remedy="Convert it: 'ssh-keygen -i -f FILE'.",
            field="ssh_authorized_keys",
        )
    if len(line.splitlines()) > 1:
        raise _refused("The SSH key has more than one line; give each key as an entry of its own.")
    if len(line) > LONGEST_LINE:
        raise _refused(f"The SSH key is longer than {LONGEST_LINE} characters.")


def _why_not(algorithm: str) -> str:
    if algorithm == "ssh-dss":
        return "The SSH key is a DSA key, which SSH servers no longer accept."
    if algorithm.endswith("-cert-v01@openssh.com"):
        return "This is an SSH certificate, not a public key."
    return "This is no OpenSSH public key: it does not start with a known key type (options are not taken)."


def _decoded(encoded: str) -> bytes:
    try:
        blob = base64.b64decode(encoded.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise _refused("The SSH key's base64 part is damaged; was it cut off when copying?") from None
    if base64.b64encode(blob).decode("ascii") != encoded:
        raise _refused("The SSH key's base64 part is damaged.")
    return blob


class _Fields:
    """The length-prefixed strings of a key's wire form, read in order (RFC 4251, section 5)."""

    def __init__(self, blob: bytes) -> None:
        self._blob = blob
        self._at = 0

    def string(self) -> bytes:
        start = self._at + 4
        end = start + int.from_bytes(self._blob[self._at : start], "big")
        if start > len(self._blob) or end > len(self._blob):
            raise _refused("The SSH key is cut short.")
        self._at = end
        return self._blob[start:end]

    def positive(self) -> int:
        """An mpint that is greater than zero and in its shortest form."""
        raw = self.string()
        number = int.from_bytes(raw, "big", signed=True)
        if number <= 0 or raw != number.to_bytes(number.bit_length() // 8 + 1, "big"):
            raise _refused("The SSH key holds a number that is not in its right form.")
        return number

    def finish(self) -> None:
        if self._at != len(self._blob):
            raise _refused("The SSH key has bytes after its end.")


def _check(algorithm: str, fields: _Fields) -> None:
    if fields.string() != algorithm.encode("ascii"):
        raise _refused("The SSH key's type and its content do not agree.")
    if algorithm == "ssh-rsa":
        _check_rsa(exponent=fields.positive(), modulus=fields.positive())
    elif algorithm in _EDWARDS:
        _check_edwards(fields.string())
    else:
        _check_curve(algorithm, curve=fields.string(), point=fields.string())
    if algorithm in _HARDWARE and not fields.string():
        raise _refused("The SSH key names no application, as a security key's must.")
    fields.finish()


def _check_rsa(*, exponent: int, modulus: int) -> None:
    bits = modulus.bit_length()
    if bits < SMALLEST_RSA_BITS:
        raise _refused(f"The RSA key has {bits} bits; at least {SMALLEST_RSA_BITS} are needed.")
    if bits > LARGEST_RSA_BITS:
        raise _refused(f"The RSA key has {bits} bits; SSH servers take at most {LARGEST_RSA_BITS}.")
    if exponent < 3 or exponent % 2 == 0 or modulus % 2 == 0:
        raise _refused("The RSA key's numbers are not those of an RSA key.")


def _check_edwards(point: bytes) -> None:
    if len(point) != 32:
        raise _refused("The Ed25519 key is not 32 bytes long.")


def _check_curve(algorithm: str, *, curve: bytes, point: bytes) -> None:
    name, length = _CURVES[algorithm]
    if curve != name.encode("ascii"):
        raise _refused("The SSH key's type and its curve do not agree.")
    if len(point) != length or point[0] != 4:
        raise _refused("The SSH key's point is not one of its curve.")


def _clean(comment: str) -> str:
    """The comment without control characters, in single spaces, and of bearable length."""
    visible = "".join(c if c.isprintable() else " " for c in comment)
    return " ".join(visible.split())[:LONGEST_COMMENT].rstrip()
