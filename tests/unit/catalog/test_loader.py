"""What a catalogue file may hold, and how plainly a mistake in it is named."""

from __future__ import annotations

import re
import time
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_library.catalog.loader import load_catalog, parse_entries
from image_library.domain.errors import InvalidCatalog
from image_library.domain.image import ImageFormat
from image_library.domain.os_info import OsFamily, ProvisioningMethod
from image_library.domain.releases import IndexFormat
from image_library.domain.trust import TrustLevel

DIGEST = "0123456789abcdef" * 4
ENTRY = f"""
[[image]]
id = "own-1"
name = "Our own"
distribution = "debian"
default_user = "admin"
min_disk_gib = 4
min_memory_mib = 512
support_ends = 2030-12-31
agent_commands = [["true", "it's fine"]]

[image.variants.x86_64]
url = "https://images.example.org/a/own-1.qcow2"
checksum_algorithm = "sha256"
digest = "{DIGEST}"
firmware = ["uefi"]

[image.variants.aarch64]
url = "https://images.example.org:8443/a/own-1-arm64.raw"
checksum_url = "https://images.example.org:8443/a/SHA512SUMS"
checksum_algorithm = "sha512"
format = "raw"
size_bytes = 5
firmware = ["uefi"]
"""
INDEXED = (
    ENTRY
    + """
[image.variants.aarch64.index]
format = "checksums"
url = "https://images.example.org:8443/a/all/SHA512SUMS?part=1"
release = "https://images.example.org:8443/a/{build}/own-1-arm64-{build}.raw"
"""
)
STREAM = """
format = "simplestreams"
url = "https://images.example.org/streams/v1/index.json"
product = "org.example:own:1:arm64"
item = "disk.raw"
release = "https://images.example.org/{build}/own-1-arm64.raw"
"""
DOCS = Path(__file__).parents[3] / "docs" / "catalog.md"


def refusal(text: str) -> InvalidCatalog:
    with pytest.raises(InvalidCatalog) as caught:
        parse_entries(text, source="own.toml")
    return caught.value


def test_an_entry_is_read_whole() -> None:
    (entry,) = parse_entries(ENTRY, source="own.toml")
    assert (entry.id, entry.name, entry.support_ends) == ("own-1", "Our own", date(2030, 12, 31))
    assert (entry.os.distribution, entry.os.version, entry.os.default_user) == ("debian", "", "admin")
    assert entry.os.family is OsFamily.LINUX
    assert entry.os.cloud_init_enabled
    assert (entry.requirements.min_disk_gib, entry.requirements.min_memory_mib) == (4, 512)
    assert entry.traits.agent_commands == (("true", "it's fine"),)
    pinned, checked = entry.variants
    assert (pinned.best_trust, checked.best_trust) == (TrustLevel.PINNED, TrustLevel.CHECKSUM)
    assert (checked.format, checked.filename, checked.size_bytes) == (ImageFormat.RAW, "own-1-arm64.raw", 5)


@pytest.mark.parametrize("named", ["qcow2", "raw", "vmdk", "vhd", "vhdx", "vdi", "ova"])
def test_every_format_that_becomes_a_disk_may_be_named(named: str) -> None:
    (entry,) = parse_entries(ENTRY.replace('format = "raw"', f'format = "{named}"'), source="own.toml")
    assert entry.variants[1].format is ImageFormat(named)


def test_an_image_has_the_facts_of_its_own_variant() -> None:
    entry = load_catalog().find("centos-stream-9")
    assert entry
    for architecture, firmware in (("x86_64", ("bios",)), ("aarch64", ("uefi",))):
        variant = entry.variant_for(architecture)
        assert variant
        assert entry.os_of(variant).architecture == architecture
        assert entry.requirements_of(variant).firmware == firmware


def test_the_guides_example_is_valid() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    assert [entry.id for entry in parse_entries(example, source="docs")] == ["debian-12", "golden-web"]


def test_the_guides_error_message_is_real() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", DOCS.read_text(), re.DOTALL)
    broken = example[: example.rindex("firmware")]
    with pytest.raises(InvalidCatalog) as caught:
        parse_entries(broken, source="/etc/limiquantix/catalog.toml")
    assert caught.value.message in DOCS.read_text()


def test_a_file_may_say_when_it_was_written() -> None:
    (entry,) = parse_entries("written = 2026-11-25\n" + ENTRY, source="own.toml")
    assert entry.written == date(2026, 11, 25)
    with pytest.raises(InvalidCatalog, match="'written' is a day"):
        parse_entries("written = 'today'\n" + ENTRY, source="own.toml")


def test_the_guide_names_every_field_that_may_stand_in_an_entry() -> None:
    fields = set(re.findall(r"^\| `(\w+)`", DOCS.read_text(), re.MULTILINE))
    folder = Path(__file__).parents[3] / "src/image_library/catalog"
    source = (folder / "loader.py").read_text() + (folder / "signatures.py").read_text()
    asked = re.findall(r'table\.\w+\(\s*"(\w+)"|_url\(table, "(\w+)"', source)
    assert fields == {one or other for one, other in asked} - {"variants"}


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('id = "own-1"', 'id = "Own 1"', "id"),
        ('id = "own-1"', "", "id"),
        ('id = "own-1"', "id = 5", "id"),
        ('name = "Our own"', 'name = ""', "name"),
        ('name = "Our own"', r'name = "a\nb"', "name"),
        ('name = "Our own"', 'nmae = "Our own"', "name"),
        ('name = "Our own"', 'name = "a"\nnickname = "b"', "nickname"),
        ('"debian"', '"Debian GNU"', "distribution"),
        ('"admin"', '"Admin"', "default_user"),
        ('"admin"', '"a;b"', "default_user"),
        ('"admin"', '""', "default_user"),
        ("min_disk_gib = 4", "min_disk_gib = 0", "min_disk_gib"),
        ("min_disk_gib = 4", "min_disk_gib = true", "min_disk_gib"),
        ("min_disk_gib = 4", "min_disk_gib = 4.5", "min_disk_gib"),
        ("min_disk_gib = 4", 'min_disk_gib = "4"', "min_disk_gib"),
        ("2030-12-31", '"2030-12-31"', "support_ends"),
        ("2030-12-31", "2030-12-31T00:00:00", "support_ends"),
        ("support_ends", 'family = "beos"\nsupport_ends', "family"),
        ("support_ends", 'provisioning = "unknown"\nsupport_ends', "provisioning"),
        ("support_ends", 'shell = "bash"\nsupport_ends', "shell"),
        ("support_ends", 'agent_preinstalled = "no"\nsupport_ends', "agent_preinstalled"),
        ('[["true", "it\'s fine"]]', '["true"]', "agent_commands"),
        ('[["true", "it\'s fine"]]', "[[]]", "agent_commands"),
        ('[["true", "it\'s fine"]]', "[[1]]", "agent_commands"),
        ("variants.aarch64", "variants.sparc", "variants.sparc"),
        ("https://images.example.org/", "http://images.example.org/", "variants.x86_64.url"),
        ("https://images.example.org/", "https:///", "variants.x86_64.url"),
        ("https://images.example.org/", "https://u:p@images.example.org/", "variants.x86_64.url"),
        ("https://images.example.org/", "https://[::/", "variants.x86_64.url"),
        ("https://images.example.org/", "https://h:99999/", "variants.x86_64.url"),
        ("/own-1.qcow2", "/own 1.qcow2", "variants.x86_64.url"),
        ("/own-1.qcow2", "/own-1.qcow2?token=1", "variants.x86_64.url"),
        ("/own-1.qcow2", "/", "variants.x86_64.url"),
        ("/own-1.qcow2", "/..", "variants.x86_64.url"),
        ("/own-1.qcow2", "/own%2f1.qcow2", "variants.x86_64.url"),
        ('"sha256"', '"md5"', "variants.x86_64.checksum_algorithm"),
        ('"sha256"', '"sha512"', "variants.x86_64.digest"),
        (DIGEST, DIGEST[1:], "variants.x86_64.digest"),
        (DIGEST, DIGEST.upper(), "variants.x86_64.digest"),
        (f'digest = "{DIGEST}"', "", "variants.x86_64.checksum_url"),
        ("digest =", 'checksum_url = "https://h/SUMS"\ndigest =', "variants.x86_64.checksum_url"),
        ('["uefi"]', '["UEFI"]', "variants.x86_64.firmware"),
        ('["uefi"]', "[]", "variants.x86_64.firmware"),
        ('["uefi"]', '"uefi"', "variants.x86_64.firmware"),
        ("size_bytes = 5", "size_bytes = -5", "variants.aarch64.size_bytes"),
        ('format = "raw"', 'format = "iso"', "variants.aarch64.format"),
        ('format = "raw"', 'from = "raw"', "variants.aarch64.from"),
    ],
)
def test_a_mistake_is_named_by_file_entry_and_field(old: str, new: str, field: str) -> None:
    assert old in ENTRY
    error = refusal(ENTRY.replace(old, new, 1))
    assert error.field == field
    entry = "image number 1" if field == "id" else "image 'own-1'"
    assert error.message.startswith(f"own.toml: {entry}: {field}: ")


def test_an_index_is_read_whole() -> None:
    (entry,) = parse_entries(INDEXED, source="own.toml")
    without, variant = entry.variants
    assert without.index is None
    assert variant.index
    assert variant.index.format is IndexFormat.CHECKSUMS
    assert variant.index.url.endswith("?part=1")
    assert variant.index.release.named_by_file
    assert not variant.index.leads


def test_a_stream_has_a_product_and_an_item() -> None:
    head = INDEXED[: INDEXED.index('format = "checksums"')]
    (entry,) = parse_entries(head + STREAM, source="own.toml")
    index = entry.variants[1].index
    assert index
    assert (index.product, index.item) == ("org.example:own:1:arm64", "disk.raw")


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('format = "checksums"', 'format = "rss"', "format"),
        ('format = "checksums"', "", "format"),
        ('format = "checksums"', 'format = "listing"', "item"),
        ('format = "checksums"', 'format = "listing"\nitem = "md5"', "item"),
        ('format = "checksums"', 'format = "checksums"\nitem = "sha256"', "item"),
        ('format = "checksums"', 'format = "checksums"\nproduct = "x"', "product"),
        ('format = "checksums"', 'format = "checksums"\nleads = true', "leads"),
        ('format = "checksums"', 'format = "checksums"\nleads = "yes"', "leads"),
        ('format = "checksums"', 'format = "simplestreams"', "release|product"),
        ("/all/SHA512SUMS?part=1", "/SHA512SUMS#part", "url"),
        ("https://images.example.org:8443/a/all", "http://images.example.org:8443/a/all", "url"),
        ("/{build}/own-1-arm64-{build}.raw", "/own-1-arm64.raw", "release"),
        ("/{build}/own-1-arm64-{build}.raw", "/{build}/own-1-arm64.raw", "release"),
        ("/{build}/own-1-arm64-{build}.raw", "/{serial}/own-1-arm64-{build}.raw", "release"),
        ("/{build}/own-1-arm64-{build}.raw", "/../own-1-arm64-{build}.raw", "release"),
        ("[image.variants.aarch64.index]", "index = 5\n[image.variants.aarch64.indx]", ""),
    ],
)
def test_a_mistake_in_an_index_is_named(old: str, new: str, field: str) -> None:
    assert old in INDEXED
    at = INDEXED.index("[image.variants.aarch64.index]")
    error = refusal(INDEXED[:at] + INDEXED[at:].replace(old, new, 1))
    path = "variants.aarch64.index" + (f".({field})" if field else "")
    assert re.fullmatch(path, error.field)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("/streams/v1", "/v1", "url"),
        ('product = "org.example:own:1:arm64"\n', "", "product"),
        ('item = "disk.raw"\n', "", "item"),
        ('item = "disk.raw"', 'item = "../disk.raw"', "item"),
    ],
)
def test_a_mistake_in_a_stream_is_named(old: str, new: str, field: str) -> None:
    assert old in STREAM
    head = INDEXED[: INDEXED.index('format = "checksums"')]
    assert refusal(head + STREAM.replace(old, new)).field == f"variants.aarch64.index.{field}"


@pytest.mark.parametrize(
    "text",
    ["[[image]", "image = 5", "image = [5]", "[[entry]]\nid = 'x'", f"n = {'9' * 5000}", "x = 2030-13-31"],
)
def test_what_is_no_catalog_is_refused(text: str) -> None:
    assert refusal(text).message.startswith("own.toml")


@pytest.mark.parametrize("variants", ["[image.variants]", "variants = 5", "variants = {x86_64 = 5}"])
def test_an_entry_without_a_variant_is_refused(variants: str) -> None:
    head = ENTRY[: ENTRY.index("[image.variants")]
    assert refusal(f"{head}\n{variants}\n").field.startswith("variants")


def test_an_id_stands_once_in_a_file() -> None:
    assert "twice" in refusal(ENTRY + ENTRY).message


def test_windows_may_have_its_own_user() -> None:
    text = ENTRY.replace('"admin"', '"Administrator"\nfamily = "windows"\nprovisioning = "sysprep"')
    (entry,) = parse_entries(text, source="own.toml")
    assert entry.os.provisioning_method is ProvisioningMethod.SYSPREP
    assert not entry.os.cloud_init_enabled


class TestOwnFile:
    def test_adds_an_entry_behind_the_shipped_ones(self, tmp_path: Path) -> None:
        own = tmp_path / "own.toml"
        own.write_text(ENTRY)
        assert load_catalog(own).ids == (*load_catalog().ids, "own-1")

    def test_replaces_a_shipped_entry_as_a_whole(self, tmp_path: Path) -> None:
        own = tmp_path / "own.toml"
        own.write_text(ENTRY.replace("own-1", "debian-12"))
        catalog = load_catalog(own)
        assert catalog.ids == load_catalog().ids
        replaced = catalog.find("debian-12")
        assert replaced
        assert (replaced.name, replaced.description, replaced.os.version) == ("Our own", "", "")

    def test_an_empty_file_changes_nothing(self, tmp_path: Path) -> None:
        own = tmp_path / "own.toml"
        own.touch()
        assert load_catalog(own).entries == load_catalog().entries

    def test_a_file_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "latin1.toml").write_bytes(b"name = '\xe4'")
        for path in (tmp_path / "missing.toml", tmp_path, tmp_path / "latin1.toml"):
            with pytest.raises(InvalidCatalog, match=re.escape(str(path))):
                load_catalog(path)


@given(start=st.integers(0, len(INDEXED)), length=st.integers(0, 40), put=st.text(max_size=5))
def test_no_damage_raises_anything_but_our_error(start: int, length: int, put: str) -> None:
    try:
        entries = parse_entries(INDEXED[:start] + put + INDEXED[start + length :], source="own.toml")
    except InvalidCatalog:
        return
    assert all(entry.variants for entry in entries)


def test_the_catalog_is_loaded_in_no_time() -> None:
    load_catalog()
    fastest = min(_seconds_to_load() for _ in range(5))
    assert fastest < 0.2  # 0.01 on an idle machine; this only tells a blunder


def _seconds_to_load() -> float:
    start = time.process_time()
    load_catalog()
    return time.process_time() - start
