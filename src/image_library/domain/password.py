"""Passwords as guests keep them: hashed at once with sha512crypt, or taken as a hash that is as strong.

Ulrich Drepper, "Unix crypt using SHA-256 and SHA-512" (the ``$6$`` form of crypt(5)): every guest's libc
and busybox know it. The standard library has no crypt since Python 3.13.
"""

from __future__ import annotations

import hashlib
import re

from image_library.domain.errors import InvalidPassword
from image_library.domain.secret import Secret

# Ten times the default: some 60 ms for us and for whoever logs in, and for each guess.
ROUNDS = 50_000
LONGEST_PASSWORD = 256
SALT_CHARACTERS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SALT_LENGTH = 16
_WORD = "[./0-9A-Za-z]"
_HASH = re.compile(
    rf"\$6\$(rounds=[1-9][0-9]{{3,8}}\$)?{_WORD}{{1,16}}\${_WORD}{{86}}"
    rf"|\$y\${_WORD}{{1,64}}\${_WORD}{{1,86}}\${_WORD}{{43}}"
)


def hashed(password: Secret, *, salt: str, rounds: int = ROUNDS) -> Secret:
    """The hash that a guest keeps of ``password``; ``salt``: 16 random characters of ``SALT_CHARACTERS``.

    Raises:
        InvalidPassword: nobody could type it, or it is empty or too long.
    """
    text = password.reveal()
    if not text or any(not c.isprintable() for c in text) or len(text.encode()) > LONGEST_PASSWORD:
        raise InvalidPassword(
            f"A password has 1 to {LONGEST_PASSWORD} bytes, and no character that cannot be typed.",
            field="password",
        )
    digest = _encoded(_digest(text.encode(), salt.encode("ascii"), rounds))
    return Secret(f"$6$rounds={rounds}${salt}${digest}")


def valid_hash(given: Secret) -> Secret:
    """``given`` if it is a sha512crypt (``$6$``) or yescrypt (``$y$``) hash.

    Raises:
        InvalidPassword: it is anything else; the message does not repeat it.
    """
    if not _HASH.fullmatch(given.reveal()):
        raise InvalidPassword(
            "This is no password hash of the kinds sha512crypt ($6$) or yescrypt ($y$).",
            remedy="Make one with 'openssl passwd -6' or 'mkpasswd', or give the password itself.",
            field="password_hash",
        )
    return given


def _digest(key: bytes, salt: bytes, rounds: int) -> bytes:
    """Steps 1 to 21 of the specification."""
    other = hashlib.sha512(key + salt + key).digest()
    start = key + salt + _repeated(other, len(key))
    size = len(key)
    while size:
        start += other if size & 1 else key
        size >>= 1
    digest = hashlib.sha512(start).digest()
    keys = _repeated(hashlib.sha512(key * len(key)).digest(), len(key))
    salts = _repeated(hashlib.sha512(salt * (16 + digest[0])).digest(), len(salt))
    for number in range(rounds):
        odd = number & 1
        parts = keys if odd else digest
        if number % 3:
            parts += salts
        if number % 7:
            parts += keys
        digest = hashlib.sha512(parts + (digest if odd else keys)).digest()
    return digest


def _repeated(block: bytes, length: int) -> bytes:
    return (block * (length // len(block) + 1))[:length]


def _encoded(digest: bytes) -> str:
    """crypt's own base64: three bytes of the digest at a time, each group the last one, turned."""
    text, (first, second, third) = "", (0, 21, 42)
    for _ in range(21):
        text += _letters(digest[first], digest[second], digest[third], 4)
        first, second, third = second + 1, third + 1, first + 1
    return text + _letters(0, 0, digest[63], 2)


def _letters(high: int, middle: int, low: int, count: int) -> str:
    value = high << 16 | middle << 8 | low
    return "".join(SALT_CHARACTERS[value >> 6 * place & 63] for place in range(count))
