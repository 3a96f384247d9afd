"""Publishers' signatures: real ones of real publishers, and every way in which one is none."""

from __future__ import annotations

import asyncio
import base64
import zlib
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from image_library.catalog.keyring import shipped_keys
from image_library.domain.errors import SignatureExpired, SignatureInvalid, SignatureKeyUnknown
from image_library.domain.signature import SigningKey, read_cleartext
from image_library.node.adapters.openpgp.checker import OpenPgpSignatures
from image_library.node.adapters.openpgp.packets import MOST_SIGNATURES
from tests.support.openpgp import OldPublisher, Publisher

DATA = Path(__file__).parents[3] / "data"
CONTENT = b"00ff  disk.qcow2\n"
PUBLISHER, OTHER, OLD = Publisher(), Publisher("Somebody Else"), OldPublisher()


def signer(
    content: bytes,
    signature: bytes,
    *keys: SigningKey,
    text: bool = False,
    checker: OpenPgpSignatures | None = None,
) -> SigningKey:
    checker = checker or OpenPgpSignatures()
    return asyncio.run(checker.signer(content, signature, keys, text=text))


def test_a_real_signature_of_opensuse_is_by_its_pinned_key() -> None:
    """Of version 3, which pysequoia does not believe."""
    content = (DATA / "signatures/opensuse-leap-16.0.sha256").read_bytes()
    signature = (DATA / "signatures/opensuse-leap-16.0.sha256.asc").read_bytes()
    keys = shipped_keys().values()
    assert signer(content, signature, *keys).owner == "openSUSE Project"
    with pytest.raises(SignatureInvalid):
        signer(content.replace(b"2", b"3", 1), signature, *keys)


def test_a_real_cleartext_signature_of_fedora_is_by_its_pinned_key() -> None:
    clear = read_cleartext((DATA / "checksums/fedora-44-checksum-clearsigned.txt").read_bytes())
    keys = shipped_keys().values()
    assert signer(clear.text, clear.signature, *keys, text=True).owner == "Fedora 44"
    with pytest.raises(SignatureInvalid):
        signer(clear.text.replace(b"0", b"1", 1), clear.signature, *keys, text=True)


@pytest.mark.parametrize("armor", [True, False])
def test_a_signature_by_a_pinned_key_names_it(armor: bool) -> None:
    signature = PUBLISHER.detached(CONTENT, armor=armor)
    assert signer(CONTENT, signature, OTHER.key, PUBLISHER.key) == PUBLISHER.key


@pytest.mark.parametrize("version", [3, 4])
@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_an_old_key_that_is_pinned_is_used_by_itself(version: int, digest: str) -> None:
    signature = OLD.detached(CONTENT, version=version, digest=digest)
    assert signer(CONTENT, signature, OLD.key()).fingerprint == OLD.fingerprint


def test_lines_around_and_in_armor_are_of_no_account() -> None:
    noted = OLD.armored_signature(CONTENT).replace(b"-----\n\n", b"-----\nVersion: GnuPG v2\n\n", 1)
    assert signer(CONTENT, b"\n" + noted + b"\n", OLD.key()) == OLD.key()


class TestNotByAPinnedKey:
    def test_another_key(self) -> None:
        with pytest.raises(SignatureKeyUnknown) as refused:
            signer(CONTENT, OTHER.detached(CONTENT), PUBLISHER.key)
        assert "The signature is by" in refused.value.message

    def test_another_key_that_claims_the_pinned_ones_name(self) -> None:
        """The issuer is the signer's own word: here it is right, and the key behind it is not."""
        pinned = PUBLISHER.key
        swapped = SigningKey(fingerprint=pinned.fingerprint, armored=OTHER.key.armored)
        with pytest.raises(SignatureInvalid):
            signer(CONTENT, OTHER.detached(CONTENT), swapped)

    def test_a_key_that_expired_even_where_it_signed_before(self) -> None:
        short = Publisher(seconds=3600)
        signature = short.detached(CONTENT)
        assert signer(CONTENT, signature, short.key) == short.key
        later = OpenPgpSignatures(now=lambda: datetime.now(UTC) + timedelta(hours=2))
        with pytest.raises(SignatureExpired):
            signer(CONTENT, signature, short.key, checker=later)

    def test_a_key_that_the_table_says_has_ended(self) -> None:
        ended = replace(OLD.key(), expires=date(2020, 1, 1))
        with pytest.raises(SignatureExpired, match="2020-01-01"):
            signer(CONTENT, OLD.detached(CONTENT), ended)

    def test_a_key_that_was_revoked(self) -> None:
        with pytest.raises(SignatureExpired, match="revoked"):
            signer(CONTENT, PUBLISHER.detached(CONTENT), PUBLISHER.revoked())

    def test_a_key_that_names_itself_by_sha1_unless_it_is_pinned_as_such(self) -> None:
        signature = OLD.detached(CONTENT)
        with pytest.raises(SignatureInvalid):
            signer(CONTENT, signature, OLD.key(primary_only=False))

    def test_a_short_key(self) -> None:
        short = OldPublisher(bits=1024)
        with pytest.raises(SignatureInvalid, match="short"):
            signer(CONTENT, short.detached(CONTENT), short.key())

    def test_no_pinned_key_at_all(self) -> None:
        with pytest.raises(SignatureKeyUnknown):
            signer(CONTENT, PUBLISHER.detached(CONTENT))


class TestNoSignature:
    @pytest.mark.parametrize("version", [3, 4])
    def test_sha1(self, version: int) -> None:
        signature = OLD.detached(CONTENT, version=version, digest="sha1")
        with pytest.raises(SignatureInvalid):
            signer(CONTENT, signature, OLD.key())
        modern = OldPublisher(self_signed_by="sha512")
        with pytest.raises(SignatureInvalid):
            signer(CONTENT, modern.detached(CONTENT, digest="sha1"), modern.key(primary_only=False))

    @pytest.mark.parametrize("maker", [PUBLISHER, OLD])
    def test_of_other_bytes(self, maker: Publisher | OldPublisher) -> None:
        key = maker.key if isinstance(maker, Publisher) else maker.key()
        with pytest.raises(SignatureInvalid):
            signer(CONTENT + b" ", maker.detached(CONTENT), key)

    @pytest.mark.parametrize("maker", [PUBLISHER, OLD])
    def test_cut_off_or_changed_anywhere(self, maker: Publisher | OldPublisher) -> None:
        if isinstance(maker, Publisher):
            key, whole = maker.key, maker.detached(CONTENT, armor=False)
        else:
            key, whole = maker.key(), maker.detached(CONTENT)
        for length in range(0, len(whole), 7):
            with pytest.raises((SignatureInvalid, SignatureKeyUnknown)):
                signer(CONTENT, whole[:length], key)
        # The digest's value in the end is what proves; before it, some bytes say nothing.
        for place in range(len(whole) - 60, len(whole)):
            changed = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
            with pytest.raises((SignatureInvalid, SignatureKeyUnknown)):
                signer(CONTENT, changed, key)

    def test_a_certification_of_the_same_bytes(self) -> None:
        with pytest.raises(SignatureInvalid, match="not one of a file"):
            signer(CONTENT, OLD.detached(CONTENT, kind=0x13), OLD.key())

    def test_a_signature_of_bytes_where_one_of_a_text_is_wanted(self) -> None:
        with pytest.raises(SignatureInvalid, match="not one of a file"):
            signer(CONTENT, PUBLISHER.detached(CONTENT), PUBLISHER.key, text=True)

    def test_a_signed_message_that_unpacks_to_something_else(self) -> None:
        with pytest.raises(SignatureInvalid):
            signer(CONTENT, PUBLISHER.inline(CONTENT), PUBLISHER.key)

    def test_something_compressed_is_never_unpacked(self) -> None:
        bomb = zlib.compress(b"\0" * (100 << 20), 9)
        packet = b"\xc8\xff" + (len(bomb) + 1).to_bytes(4, "big") + b"\x02" + bomb
        with pytest.raises(SignatureInvalid):
            signer(CONTENT, packet, PUBLISHER.key)

    @pytest.mark.parametrize(
        "junk",
        [
            b"",
            b"<html>not found</html>",
            b"\xc2\xff\xff\xff\xff\xff",
            b"\xc2\xe1\x00",
            b"\x8b",
            b"-----BEGIN PGP SIGNATURE-----\n\nAAAA\n",
            b"-----BEGIN PGP SIGNATURE-----\nAAAA\n-----END PGP SIGNATURE-----\n",
            b"-----BEGIN PGP SIGNATURE-----\n\n%%%%\n-----END PGP SIGNATURE-----\n",
            b"-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n",
            b"\0" * (1 << 20),
            b"\x88\x01\x04" * 40,
        ],
    )
    def test_junk(self, junk: bytes) -> None:
        with pytest.raises(SignatureInvalid):
            signer(CONTENT, junk, PUBLISHER.key)

    def test_more_than_a_mebibyte(self) -> None:
        signature = PUBLISHER.detached(CONTENT, armor=False)
        many = signature * ((1 << 20) // len(signature) + 1)
        with pytest.raises(SignatureInvalid, match="1 MiB"):
            signer(CONTENT, many, PUBLISHER.key)


class TestSeveralSignatures:
    """One valid signature of a pinned key is enough; the others are of no account."""

    GOOD = PUBLISHER.detached(CONTENT, armor=False)
    BAD = PUBLISHER.detached(b"something else", armor=False)
    STRANGE = OTHER.detached(CONTENT, armor=False)

    @pytest.mark.parametrize("others", [(BAD,), (STRANGE,), (BAD, STRANGE)])
    @pytest.mark.parametrize("first", [True, False])
    def test_one_that_is_valid(self, others: tuple[bytes, ...], first: bool) -> None:
        rest = b"".join(others)
        together = self.GOOD + rest if first else rest + self.GOOD
        assert signer(CONTENT, together, PUBLISHER.key) == PUBLISHER.key
        block = base64.encodebytes(together)
        armored = b"-----BEGIN PGP SIGNATURE-----\n\n" + block + b"-----END PGP SIGNATURE-----\n"
        assert signer(CONTENT, armored, PUBLISHER.key) == PUBLISHER.key

    def test_none_that_is_valid_tells_of_the_pinned_key(self) -> None:
        with pytest.raises(SignatureInvalid):
            signer(CONTENT, self.STRANGE + self.BAD, PUBLISHER.key)
        with pytest.raises(SignatureKeyUnknown):
            signer(CONTENT, self.STRANGE * 2, PUBLISHER.key)

    @pytest.mark.parametrize(("count", "taken"), [(MOST_SIGNATURES - 1, True), (MOST_SIGNATURES, False)])
    def test_not_any_number(self, count: int, taken: bool) -> None:
        together = self.STRANGE * count + self.GOOD
        if taken:
            assert signer(CONTENT, together, PUBLISHER.key) == PUBLISHER.key
        else:
            with pytest.raises(SignatureInvalid, match="more than"):
                signer(CONTENT, together, PUBLISHER.key)
