"""SSH keys are taken as a server would take them, and nothing else is."""

from __future__ import annotations

import base64
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given
from hypothesis import strategies as st

from image_library.domain.errors import InvalidSshKey
from image_library.domain.ssh_key import ALGORITHMS, parse_public_key

ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def openssh(private: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def string(content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + content


def key_line(algorithm: str, *fields: bytes) -> str:
    blob = b"".join(map(string, (algorithm.encode(), *fields)))
    return f"{algorithm} {base64.b64encode(blob).decode()} someone@somewhere"


GOOD = openssh(ED25519)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda c: c.name)
def test_takes_the_nist_curves(curve: ec.EllipticCurve) -> None:
    line = openssh(ec.generate_private_key(curve))
    assert parse_public_key(line).line == line


@pytest.mark.parametrize("bits", [2048, 3072])
def test_takes_rsa_from_2048_bits_on(bits: int) -> None:
    line = openssh(rsa.generate_private_key(public_exponent=65537, key_size=bits))
    assert parse_public_key(line).line == line


def test_refuses_a_shorter_rsa_key_and_says_how_long_it_is() -> None:
    line = openssh(rsa.generate_private_key(public_exponent=65537, key_size=1024))
    with pytest.raises(InvalidSshKey, match="1024 bits; at least 2048"):
        parse_public_key(line)


def test_takes_the_keys_of_security_keys() -> None:
    point = b"\x04" + bytes(range(64))
    for line in (
        key_line("sk-ssh-ed25519@openssh.com", bytes(32), b"ssh:"),
        key_line("sk-ecdsa-sha2-nistp256@openssh.com", b"nistp256", point, b"ssh:"),
    ):
        assert parse_public_key(line).line == line


def test_the_fingerprint_is_what_ssh_keygen_prints(tmp_path: Path) -> None:
    (tmp_path / "key.pub").write_text(GOOD)
    printed = subprocess.run(
        ["ssh-keygen", "-l", "-f", tmp_path / "key.pub"], capture_output=True, text=True, check=True
    )
    assert parse_public_key(GOOD).fingerprint in printed.stdout.split()


def test_surrounding_white_space_goes_and_the_comment_is_cleaned() -> None:
    key = parse_public_key(f"\n  {GOOD}   me@home \x07\t the\u2060 second \r\n")
    assert key.comment == "me@home the second"
    assert key.line == f"{GOOD} me@home the second"


def test_a_long_comment_is_cut() -> None:
    assert len(parse_public_key(f"{GOOD} {'x' * 4000}").comment) == 128


def test_a_private_key_is_recognised_and_never_repeated() -> None:
    private = ED25519.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    with pytest.raises(InvalidSshKey, match="private key") as refused:
        parse_public_key(private)
    body = private.splitlines()[1]
    assert body[:16] not in str(refused.value)
    assert refused.value.field == "ssh_authorized_keys"


def test_a_dsa_key_is_named_as_such() -> None:
    with pytest.raises(InvalidSshKey, match="DSA"):
        parse_public_key("ssh-dss AAAAB3NzaC1kc3M= x")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("   \n ", "empty"),
        ("hello", "no OpenSSH public key"),
        (f'command="rm -rf /" {GOOD}', "options are not taken"),
        (f"no-pty,{GOOD}", "options are not taken"),
        (f"{GOOD}\n{GOOD}", "more than one line"),
        (f"{GOOD}\u2028x", "more than one line"),
        ("---- BEGIN SSH2 PUBLIC KEY ----\nx", "RFC 4716"),
        ("PuTTY-User-Key-File-3: ssh-ed25519", "private key"),
        ("ssh-ed25519", "cut short"),
        ("ssh-ed25519 AAAA", "cut short"),
        (GOOD[:-4], "cut short"),
        (f"{GOOD[:40]}!{GOOD[41:]}", "damaged"),
        (f"ssh-ed25519 {'é' * 20}", "damaged"),
        (f"{GOOD} {'x' * 20000}", "longer than"),
        (f"ecdsa-sha2-nistp256 {GOOD.split()[1]}", "do not agree"),
        ("ssh-ed25519-cert-v01@openssh.com AAAA", "certificate"),
        (key_line("ssh-ed25519", bytes(31)), "not 32 bytes"),
        (key_line("ssh-ed25519", bytes(32), b"more"), "bytes after its end"),
        (key_line("sk-ssh-ed25519@openssh.com", bytes(32), b""), "application"),
        (key_line("ecdsa-sha2-nistp256", b"nistp384", b"\x04" + bytes(64)), "curve do not agree"),
        (key_line("ecdsa-sha2-nistp256", b"nistp256", b"\x02" + bytes(64)), "point"),
        (key_line("ecdsa-sha2-nistp256", b"nistp256", b""), "point"),
        (key_line("ssh-rsa", b"\x01\x00\x01", b"\x80" + bytes(255) + b"\x01"), "right form"),
        (key_line("ssh-rsa", b"\x01\x00\x01", b"\x00\x00" + b"\xff" * 256), "right form"),
        (key_line("ssh-rsa", b"\x01", b"\x00" + b"\xff" * 256), "not those of an RSA key"),
        (key_line("ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xff" * 2049), "at most 16384"),
    ],
)
def test_refuses_what_is_not_one_public_key(text: str, reason: str) -> None:
    with pytest.raises(InvalidSshKey, match=reason):
        parse_public_key(text)


@given(st.text())
def test_any_text_is_either_a_key_or_refused(text: str) -> None:
    with suppress(InvalidSshKey):
        assert parse_public_key(text).algorithm in ALGORITHMS


@given(st.text())
def test_any_comment_leaves_one_clean_line(comment: str) -> None:
    with suppress(InvalidSshKey):
        line = parse_public_key(f"{GOOD} {comment}").line
        assert line.startswith(GOOD)
        assert line.isprintable()
        assert parse_public_key(line).line == line


@given(st.binary(max_size=120))
def test_any_bytes_as_key_are_judged_without_a_crash(blob: bytes) -> None:
    encoded = base64.b64encode(string(b"ssh-rsa") + blob).decode()
    with pytest.raises(InvalidSshKey):
        parse_public_key(f"ssh-rsa {encoded}")
