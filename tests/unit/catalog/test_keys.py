"""The pinned keys: each file is the key that it is called by, and the catalogue names no other."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
from pysequoia import Cert

from image_library.catalog.keyring import keys_beside, shipped_keys
from image_library.catalog.loader import load_catalog
from image_library.domain.errors import InvalidCatalog
from image_library.domain.signature import SignatureKind
from image_library.domain.trust import TrustLevel
from image_library.node.adapters.openpgp.packets import fingerprint, key_packets
from tests.support.openpgp import Publisher

FOLDER = Path(str(files("image_library.catalog").joinpath("keys")))
FILES = sorted(FOLDER.glob("*.asc"))
CATALOG = """
[[image]]
id = "ours"
name = "Ours"
distribution = "debian"
version = "12"
default_user = "debian"
min_disk_gib = 3
min_memory_mib = 512

[image.variants.x86_64]
url = "https://images.example.org/ours.qcow2"
checksum_algorithm = "sha256"
firmware = ["bios"]
"""
SIGNED = 'checksum_url = "https://images.example.org/SUMS"\nsignature_kind = "detached"\n'
BESIDE = 'signature_url = "https://images.example.org/SUMS.asc"\n'


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_is_the_key_that_it_is_called_by(file: Path) -> None:
    certificate = Cert.from_bytes(file.read_bytes())
    assert certificate.fingerprint.upper() == file.stem
    assert fingerprint(key_packets(bytes(certificate))[0]) == file.stem
    assert not certificate.is_revoked
    assert file.read_text().startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----")


def test_the_table_and_the_files_are_of_the_same_keys() -> None:
    assert {file.stem for file in FILES} == set(shipped_keys())
    assert len(FILES) == 12


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_table_knows_when_a_key_ends(file: Path) -> None:
    key, certificate = shipped_keys()[file.stem], Cert.from_bytes(file.read_bytes())
    try:
        ends = certificate.expiration
    except RuntimeError:
        # Its own statements are too old to be read.
        assert key.primary_only
        return
    assert key.expires == (ends.date() if ends else None)


def test_every_key_is_used_and_every_signed_row_has_its_keys() -> None:
    named: set[str] = set()
    for entry in load_catalog().entries:
        for variant in entry.variants:
            if variant.signature is None:
                continue
            assert variant.best_trust is TrustLevel.SIGNED
            assert variant.signature.keys
            detached = variant.signature.kind is SignatureKind.DETACHED
            # The signature is beside what it signs, and called like it.
            assert variant.signature.url.startswith(variant.checksum_url if detached else "")
            named |= {key.fingerprint for key in variant.signature.keys}
    assert named == set(shipped_keys())


def own(tmp_path: Path, fields: str, *, key: Publisher | None = None, table: str = "") -> Path:
    """An operator's catalogue, with keys beside it."""
    file = tmp_path / "catalog.toml"
    file.write_text(CATALOG + fields)
    if key:
        keys = tmp_path / "keys"
        keys.mkdir()
        pinned = key.key
        (keys / f"{pinned.fingerprint}.asc").write_text(pinned.armored)
        row = f'[[key]]\nfingerprint = "{pinned.fingerprint}"\nowner = "Us"\n'
        (keys / "keys.toml").write_text(table or row)
    return file


def test_an_operator_pins_keys_beside_the_catalog(tmp_path: Path) -> None:
    key = Publisher()
    fields = f'{SIGNED}{BESIDE}signing_keys = ["{key.key.fingerprint}"]\n'
    entry = load_catalog(own(tmp_path, fields, key=key)).find("ours")
    assert entry is not None
    signature = entry.variants[0].signature
    assert signature is not None
    assert [(k.fingerprint, k.owner) for k in signature.keys] == [(key.key.fingerprint, "Us")]
    assert signature.keys[0].armored == key.key.armored


def test_an_operators_catalog_may_name_a_shipped_key(tmp_path: Path) -> None:
    fields = f'{SIGNED}{BESIDE}signing_keys = ["{FILES[0].stem}"]\n'
    entry = load_catalog(own(tmp_path, fields)).find("ours")
    assert entry is not None
    assert entry.variants[0].best_trust is TrustLevel.SIGNED


KNOWN = FILES[0].stem
PINNED = f'digest = "{"0" * 64}"\n'
NAMES_A_KEY = f'{SIGNED}{BESIDE}signing_keys = ["{KNOWN}"]\n'


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        (f'{SIGNED}{BESIDE}signing_keys = ["{"0" * 40}"]\n', "signing_keys"),
        (f'{SIGNED}{BESIDE}signing_keys = ["{KNOWN[:16]}"]\n', "signing_keys"),
        (f"{SIGNED}{BESIDE}", "signing_keys"),
        (f'{SIGNED}signing_keys = ["{KNOWN}"]\n', "signature_url"),
        (f'{SIGNED.replace("detached", "clearsigned")}{BESIDE}signing_keys = ["{KNOWN}"]\n', "signature_url"),
        (f'{SIGNED.replace("detached", "image")}{BESIDE}signing_keys = ["{KNOWN}"]\n', "signature_kind"),
        (
            f'{PINNED}signature_kind = "clearsigned"\nsigning_keys = ["{KNOWN}"]\n',
            "signing_keys",
        ),
    ],
)
def test_fields_that_do_not_fit_together_are_refused(tmp_path: Path, fields: str, field: str) -> None:
    with pytest.raises(InvalidCatalog) as refused:
        load_catalog(own(tmp_path, fields))
    assert refused.value.field == f"variants.x86_64.{field}"


@pytest.mark.parametrize(
    "table",
    [
        "key",
        "[[keys]]\n",
        '[[key]]\nfingerprint = "abc"\nowner = "Us"\n',
        f'[[key]]\nfingerprint = "{"0" * 40}"\nowner = "Us"\n',
        f'[[key]]\nfingerprint = "{"0" * 40}"\n',
    ],
)
def test_a_table_of_keys_that_is_not_valid_is_refused(tmp_path: Path, table: str) -> None:
    with pytest.raises(InvalidCatalog):
        load_catalog(own(tmp_path, NAMES_A_KEY, key=Publisher(), table=table))


@pytest.mark.parametrize("content", [b"\xff", b"no key", b"-" * (65 << 10)])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    key = Publisher()
    catalog = own(tmp_path, NAMES_A_KEY, key=key)
    (tmp_path / "keys" / f"{key.key.fingerprint}.asc").write_bytes(content)
    with pytest.raises(InvalidCatalog, match=key.key.fingerprint):
        keys_beside(catalog)
