"""What a cleartext signature covers."""

from __future__ import annotations

import pytest

from image_library.domain.errors import SignatureInvalid, SignatureMissing
from image_library.domain.signature import read_cleartext

SIGNED = (
    b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n00  a\n- -x \t\n11  b\n"
    b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n"
)


def test_only_the_signed_lines_count_and_as_they_are_signed() -> None:
    assert read_cleartext(SIGNED).text == b"00  a\r\n-x\r\n11  b"
    assert read_cleartext(SIGNED).signature.startswith(b"-----BEGIN PGP SIGNATURE-----\n")


def test_what_stands_before_and_after_is_left_out() -> None:
    around = b"22  a\n" + SIGNED + b"33  a\n"
    assert read_cleartext(around) == read_cleartext(SIGNED)


def test_line_ends_of_either_kind_mean_the_same() -> None:
    assert read_cleartext(SIGNED.replace(b"\n", b"\r\n")) == read_cleartext(SIGNED)


def test_bytes_that_are_no_text_stay_what_they_are() -> None:
    assert b"\xff\xfe" in read_cleartext(SIGNED.replace(b"00", b"\xff\xfe")).text


@pytest.mark.parametrize("content", [b"", b"00  a\n", b"-----BEGIN PGP SIGNATURE-----\n"])
def test_a_file_that_is_not_signed_says_so(content: bytes) -> None:
    with pytest.raises(SignatureMissing):
        read_cleartext(content)


@pytest.mark.parametrize(
    "content",
    [
        SIGNED + SIGNED,
        SIGNED[:-5],
        SIGNED[: SIGNED.index(b"-----BEGIN PGP SIGNATURE")],
        SIGNED.replace(b"Hash: SHA512\n", b"Hash: SHA512\n44  a\n"),
        SIGNED.replace(b"Hash: SHA512\n\n", b"Hash: SHA512\n"),
        SIGNED.replace(b"- -x", b"-x"),
    ],
)
def test_a_malformed_one_is_refused(content: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        read_cleartext(content)
