"""Reads the catalogue that is shipped, and an operator's own file over it. Nothing half-valid is used."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from image_library.catalog.keyring import keys_beside, shipped_keys
from image_library.catalog.signatures import signature_of
from image_library.catalog.table import Table
from image_library.domain.catalog import Catalog, CatalogEntry, Variant
from image_library.domain.checksum import parse_digest
from image_library.domain.errors import IndexUnreadable, InvalidCatalog, InvalidDigest, InvalidUser
from image_library.domain.identity import valid_user
from image_library.domain.image import ImageFormat, Requirements
from image_library.domain.os_info import GuestTraits, OsFamily, OsInfo, ProvisioningMethod
from image_library.domain.releases import IndexFormat, ReleaseIndex, ReleasePattern
from image_library.domain.repositories import MANAGERS, PACKAGE_MANAGERS
from image_library.domain.signature import SigningKey

_ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,62}")
_LINE = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+/-]{0,62}")
_PATH = re.compile(r"(/[A-Za-z0-9._-]+)+")
_ARGUMENT = re.compile(r"[^\x00-\x1f\x7f]{1,200}")
_URL = re.compile(r"https://[!-~]{1,2000}")
_FILENAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_DIGEST = re.compile(r"[0-9a-f]{64,128}")
_ALGORITHM = re.compile(r"sha256|sha512")
_PRODUCT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,199}")
_INDEX_FORMATS = re.compile("|".join(member.value for member in IndexFormat))
_FIRMWARE = re.compile(r"bios|uefi")
_MANAGERS = re.compile("|".join(MANAGERS))
_ARCHITECTURES = ("x86_64", "aarch64", "ppc64le", "s390x", "riscv64")
# What becomes a disk; an ISO is none.
_FORMATS = re.compile("|".join(f.value for f in ImageFormat if f is not ImageFormat.ISO))


def load_catalog(extra: Path | None = None) -> Catalog:
    """The shipped catalogue; entries of the file ``extra`` replace those with their id, or are added.

    Raises:
        InvalidCatalog: a file cannot be read or has an error, with the file, the entry and the field.
    """
    return Catalog(entries=load_entries(extra))


def shipped_entries() -> tuple[CatalogEntry, ...]:
    """Those that come with the program."""
    shipped = files("image_library.catalog").joinpath("images.toml").read_text(encoding="utf-8")
    return parse_entries(shipped, source="images.toml", keys=shipped_keys())


def load_entries(
    extra: Path | None,
    *,
    between: Iterable[CatalogEntry] = (),
    more_keys: Mapping[str, SigningKey] | None = None,
) -> tuple[CatalogEntry, ...]:
    """The shipped entries, over them those of ``between``, and over these those of the file ``extra``.

    ``more_keys`` may be named in the file besides the shipped ones and those beside it.

    Raises:
        InvalidCatalog: as ``load_catalog``.
    """
    keys = shipped_keys() | dict(more_keys or {})
    entries = {entry.id: entry for entry in (*shipped_entries(), *between)}
    if extra is not None:
        keys |= keys_beside(extra)
        entries |= {entry.id: entry for entry in parse_entries(_read(extra), source=str(extra), keys=keys)}
    return tuple(entries.values())


def parse_entries(
    text: str, *, source: str, keys: Mapping[str, SigningKey] | None = None
) -> tuple[CatalogEntry, ...]:
    """The entries of one catalogue file, in its order; ``source`` is the file's name for messages.

    ``keys`` are those that entries may name, by fingerprint.

    Raises:
        InvalidCatalog: not TOML, or an entry is not valid, or two have the same id.
    """
    return entries_of(read_document(text, source=source), source=source, keys=keys)


def read_document(text: str, *, source: str) -> dict[str, Any]:
    """A catalogue file as TOML has it. Raises InvalidCatalog."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidCatalog(f"{source} is not valid TOML: {error}.") from error


def entries_of(
    document: dict[str, Any], *, source: str, keys: Mapping[str, SigningKey] | None = None
) -> tuple[CatalogEntry, ...]:
    """As ``parse_entries``, of a document that holds nothing else."""
    listed = document.pop("image", [])
    written = document.pop("written", None)
    if document or not isinstance(listed, list):
        raise InvalidCatalog(f"{source}: a catalog holds [[image]] tables and the day it was written.")
    if written is not None and type(written) is not date:
        raise InvalidCatalog(f"{source}: 'written' is a day, such as 2026-11-25.", field="written")
    entries: dict[str, CatalogEntry] = {}
    for number, values in enumerate(cast("list[Any]", listed), start=1):
        entry = _entry(values, keys or {}, source=source, number=number)
        entry = replace(entry, written=written)
        if entry.id in entries:
            raise InvalidCatalog(f"{source}: the id '{entry.id}' is there twice.", field="id")
        entries[entry.id] = entry
    return tuple(entries.values())


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        remedy = "Name a catalog file that can be read, or leave --catalog out."
        raise InvalidCatalog(f"The catalog {path} cannot be read: {reason}.", remedy=remedy) from error


def _entry(values: object, keys: Mapping[str, SigningKey], *, source: str, number: int) -> CatalogEntry:
    where = f"{source}: image number {number}"
    if not isinstance(values, dict):
        raise InvalidCatalog(f"{where} is not a table.")
    table = Table(cast("dict[str, Any]", values), where=where)
    entry_id = table.text("id", pattern=_ID)
    table.rename(f"{source}: image '{entry_id}'")
    variants = tuple(_variant(table, name, below, keys) for name, below in table.tables("variants"))
    os = _os(table)
    entry = CatalogEntry(
        id=entry_id,
        name=table.text("name", pattern=_LINE),
        description=table.text("description", default="", pattern=_LINE),
        os=os,
        requirements=Requirements(
            min_cpu=table.number("min_cpu", default=1, least=1),
            min_memory_mib=table.number("min_memory_mib", least=1),
            min_disk_gib=table.number("min_disk_gib", least=1),
            firmware=variants[0].firmware,
        ),
        traits=_traits(table, os),
        support_ends=table.day("support_ends"),
        variants=variants,
    )
    table.finish()
    return entry


def _os(table: Table) -> OsInfo:
    family = OsFamily(table.text("family", default="linux", pattern=_one_of(OsFamily)))
    method = ProvisioningMethod(
        table.text("provisioning", default="cloud-init", pattern=_one_of(ProvisioningMethod))
    )
    return OsInfo(
        family=family,
        distribution=table.text("distribution", pattern=_ID),
        version=table.text("version", default="", pattern=_WORD),
        default_user=_default_user(table, family),
        cloud_init_enabled=method is ProvisioningMethod.CLOUD_INIT,
        provisioning_method=method,
    )


def _one_of(values: type[OsFamily] | type[ProvisioningMethod]) -> re.Pattern[str]:
    return re.compile("|".join(member.value for member in values if member.value != "unknown"))


def _default_user(table: Table, family: OsFamily) -> str:
    user = table.text("default_user", pattern=_WORD)
    if family is not OsFamily.WINDOWS:
        try:
            valid_user(user)
        except InvalidUser as error:
            table.fail("default_user", error.message.rstrip("."))
    return user


def _traits(table: Table, os: OsInfo) -> GuestTraits:
    usual = GuestTraits()
    manager = PACKAGE_MANAGERS.get(os.distribution, "")
    return GuestTraits(
        admin_group=table.text("admin_group", default=usual.admin_group, pattern=_WORD),
        shell=table.text("shell", default=usual.shell, pattern=_PATH),
        init_system=table.text("init_system", default=usual.init_system, pattern=_ID),
        agent_preinstalled=table.flag("agent_preinstalled", default=usual.agent_preinstalled),
        agent_package=table.text("agent_package", default=usual.agent_package, pattern=_WORD),
        agent_commands=table.commands("agent_commands", of=_ARGUMENT),
        sudo_package=table.text("sudo_package", default=usual.sudo_package, pattern=_WORD),
        package_manager=table.text("package_manager", default=manager, pattern=_MANAGERS),
    )


def _variant(entry: Table, architecture: str, table: Table, keys: Mapping[str, SigningKey]) -> Variant:
    if architecture not in _ARCHITECTURES:
        entry.fail(f"variants.{architecture}", f"an architecture is one of {', '.join(_ARCHITECTURES)}")
    checksum_url = _url(table, "checksum_url", default="")
    signature_url = _url(table, "signature_url", default="")
    variant = Variant(
        architecture=architecture,
        url=_url(table, "url"),
        checksum_url=checksum_url,
        checksum_algorithm=table.text("checksum_algorithm", pattern=_ALGORITHM),
        digest=table.text("digest", default="", pattern=_DIGEST),
        format=ImageFormat(table.text("format", default="qcow2", pattern=_FORMATS)),
        size_bytes=table.number("size_bytes", default=0, least=0),
        firmware=table.texts("firmware", of=_FIRMWARE),
        index=_index(table.table("index")),
        signature=signature_of(table, keys, url=signature_url, checksum_url=checksum_url),
    )
    if not _FILENAME.fullmatch(variant.filename):
        table.fail("url", "must end in a plain file name, which the checksum file is searched for")
    if bool(variant.digest) == bool(variant.checksum_url):
        table.fail("checksum_url", "give either it or digest, one of the two")
    if not variant.firmware:
        table.fail("firmware", "must not be empty")
    _check_digest(table, variant)
    _check_index(table, variant)
    table.finish()
    return variant


def _check_index(table: Table, variant: Variant) -> None:
    if variant.index and variant.index.leads and not _is_release(variant.index.release, variant.url):
        table.fail("index.leads", "is for a url that has the form of index.release")


def _is_release(pattern: ReleasePattern, url: str) -> bool:
    try:
        return pattern.version_in(url) is not None
    except IndexUnreadable:
        return False


def _check_digest(table: Table, variant: Variant) -> None:
    if variant.digest:
        try:
            parse_digest(variant.digest, algorithm=variant.checksum_algorithm)
        except InvalidDigest:
            table.fail("digest", f"is not a {variant.checksum_algorithm} digest")


def _index(table: Table | None) -> ReleaseIndex | None:
    if table is None:
        return None
    kind = IndexFormat(table.text("format", pattern=_INDEX_FORMATS))
    streams, listing = kind is IndexFormat.SIMPLESTREAMS, kind is IndexFormat.LISTING
    index = ReleaseIndex(
        format=kind,
        url=_url(table, "url", query=True),
        release=_release(table),
        product=table.text("product", pattern=_PRODUCT) if streams else "",
        item=table.text("item", pattern=_ALGORITHM if listing else _WORD) if streams or listing else "",
        leads=table.flag("leads", default=False),
    )
    if streams and "/streams/" not in index.url:
        table.fail("url", "must lead into the folder 'streams' of the publisher's images")
    if not (streams or kind is IndexFormat.FEDORA_RELEASES or index.release.named_by_file):
        table.fail("release", "must have each of its gaps in the file's name, as the index lists names only")
    table.finish()
    return index


def _release(table: Table) -> ReleasePattern:
    try:
        return ReleasePattern(table.text("release", pattern=_LINE))
    except InvalidCatalog as error:
        table.fail("release", error.message.rstrip("."))


def _url(table: Table, key: str, *, default: str | None = None, query: bool = False) -> str:
    """An https URL of a host and a path, without user, fragment or, unless ``query``, a query."""
    url = table.text(key, default=default, pattern=_URL)
    if not url:
        return url
    try:
        parts = urlsplit(url)
        sound = parts.hostname and parts.port != 0 and parts.path not in ("", "/")
    except ValueError:
        sound = False
    if not sound or "@" in url or ("?" in url and not query) or "#" in url or "\\" in url:
        table.fail(key, "must be an https URL with a host and a path and nothing else")
    return url
