"""``catalog``: keys and signatures of one's own, and what the server says of the one in use."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

from image_library.controlplane.adapters.ed25519 import verify
from image_library.domain.signed_catalog import check_signatures, read_key
from limiquantix.storage.v1.image_pb import CatalogState, RefreshCatalogRequest
from tests.fakes.server import FakeLibrary
from tests.integration.cli.conftest import Cli
from tests.support.signed_catalog import catalog

TODAY = datetime.now(UTC).date()
CONTENT = catalog(3, written=TODAY, expires=TODAY + timedelta(days=100))


def test_a_key_signs_what_its_public_part_verifies(cli: Cli, tmp_path: Path) -> None:
    publics: list[bytes] = []
    for name in ("old.key", "new.key"):
        made = cli("--json", "catalog", "keygen", str(tmp_path / name))
        assert made.code == 0, made.err
        publics.append(read_key(made.document["public"]))
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
    file = tmp_path / "images.toml"
    file.write_bytes(CONTENT)
    keys = [word for name in ("old.key", "new.key") for word in ("--key", str(tmp_path / name))]
    signed = cli("--json", "catalog", "sign", str(file), *keys)
    assert signed.code == 0, signed.err
    assert (signed.document["version"], signed.document["entries"]) == (3, 1)
    for public in publics:
        check_signatures(CONTENT, (tmp_path / "images.toml.sig").read_bytes(), [public], verify)


def test_a_key_is_never_overwritten(cli: Cli, tmp_path: Path) -> None:
    assert cli("catalog", "keygen", str(tmp_path / "key")).code == 0
    before = (tmp_path / "key").read_bytes()
    again = cli("catalog", "keygen", str(tmp_path / "key"))
    assert again.code != 0
    assert "file exists" in again.err
    assert (tmp_path / "key").read_bytes() == before


def test_what_nobody_would_take_is_not_signed(cli: Cli, tmp_path: Path) -> None:
    assert cli("catalog", "keygen", str(tmp_path / "key")).code == 0
    file = tmp_path / "images.toml"
    for content in (CONTENT.replace(b"version = 3", b""), CONTENT.replace(b"default_user", b"user")):
        file.write_bytes(content)
        refused = cli("catalog", "sign", str(file), "--key", str(tmp_path / "key"))
        assert refused.code != 0
        assert not (tmp_path / "images.toml.sig").exists()
    file.write_bytes(CONTENT)
    (tmp_path / "none").write_text("no key")
    for key in ("none", "missing"):
        refused = cli("catalog", "sign", str(file), "--key", str(tmp_path / key))
        assert refused.code != 0
        assert key in refused.err


def test_refresh_sends_the_file_with_its_signatures(cli: Cli, library: FakeLibrary, tmp_path: Path) -> None:
    library.catalog_state = CatalogState(version=3, written="2026-11-25", age="fresh", configured=True)
    (tmp_path / "images.toml").write_bytes(CONTENT)
    (tmp_path / "images.toml.sig").write_bytes(b"signatures")
    done = cli("catalog", "refresh", "--file", str(tmp_path / "images.toml"))
    assert done.code == 0, done.err
    assert "version 3, written 2026-11-25, fresh" in done.out
    assert cli("catalog", "refresh").code == 0
    by_file, by_url = library.asked(RefreshCatalogRequest)
    assert (by_file.content, by_file.signatures) == (CONTENT, b"signatures")
    assert (by_url.content, by_url.signatures) == (b"", b"")


def test_a_missing_signature_is_said(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "images.toml").write_bytes(CONTENT)
    refused = cli("catalog", "refresh", "--file", str(tmp_path / "images.toml"))
    assert refused.code != 0
    assert "images.toml.sig" in refused.err


def test_an_old_catalog_is_warned_of(cli: Cli, library: FakeLibrary) -> None:
    library.catalog_state = CatalogState(
        version=3,
        written="2026-11-25",
        expires="2027-03-05",
        age="stale",
        configured=True,
        error_code="catalog.rollback",
        error_message="Older.",
        warning="The catalog expired.",
    )
    listed = cli("images", "catalog")
    assert "warning: The catalog expired." in listed.err
    status = cli("catalog", "status")
    assert "stale" in status.out
    assert "Older. (catalog.rollback)" in status.out
    assert cli("--json", "catalog", "status").document["catalog"]["age"] == "stale"


def test_the_shipped_one_needs_no_words(cli: Cli, library: FakeLibrary) -> None:
    library.catalog_state = None
    assert "the one that came with the program" in cli("catalog", "status").out
