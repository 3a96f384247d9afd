"""From options, environment and settings file to what a program is started with.

A setting comes from its option, else its environment variable, else the settings file, else its default.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from image_library.cli.setting import Setting
from image_library.cli.settings_table import TABLE
from image_library.cli.sizes import parse_size
from image_library.domain.errors import InvalidRequest, InvalidSettings, printable


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What the programs are started with; empty means the program's own default."""

    data_dir: Path
    listen: str = ""
    advertise: str = ""
    allowed_hosts: tuple[str, ...] = ()
    auth: bool = True
    tls_cert: Path | None = None
    tls_key: Path | None = None
    tls_ca: Path | None = None
    catalog: Path | None = None
    catalog_keys: tuple[str, ...] = ()
    catalog_url: str = ""
    # May hold a password.
    database_url: str = field(default="", repr=False)
    control_plane: str = ""
    join_token_file: Path | None = None
    mirror: tuple[str, ...] = ()
    image_mirrors: tuple[str, ...] = ()
    allow_sources: tuple[str, ...] = ()
    deny_sources: tuple[str, ...] = ()
    source_ca: tuple[str, ...] = ()
    source_credentials: tuple[str, ...] = ()
    max_virtual_size: int = 0
    accel: str = ""
    hypervisor: str = ""
    libvirt_uri: str = ""
    bridges: tuple[str, ...] = ()
    guest_listen: str = ""
    guest_url: str = ""
    allow_unjailed: bool = False
    hostname: str = ""
    refresh: str = ""
    min_trust: tuple[str, ...] = ()
    require_boot_proof: tuple[str, ...] = ()
    log_format: str = "console"
    # Given on the command line only, for one start.
    accept_store: bool = False
    # Every setting of the kind "number" that was given.
    numbers: Mapping[str, int] = field(default_factory=dict[str, int])


def resolve(
    program: str, *, data_dir: Path, file: Path | None, environ: Mapping[str, str], options: Mapping[str, Any]
) -> Settings:
    """The settings of ``program``; ``options`` holds what was given, None and () mean not given.

    ``file`` None means <data-dir>/settings.toml if it is there. Raises InvalidSettings.
    """
    written = _read(file) if file is not None else _read_if_there(data_dir / "settings.toml")
    chosen: dict[str, Any] = {}
    for setting in (row for row in TABLE if program in row.programs):
        value, where = _first_given(setting, options, environ, written)
        if where:
            chosen[setting.name] = _checked(setting, value, where)
    known = {field.name for field in fields(Settings)}
    numbers = {row.name: chosen[row.name] for row in TABLE if row.kind == "number" and row.name in chosen}
    named = {name: value for name, value in chosen.items() if name in known}
    return Settings(data_dir=data_dir, numbers=numbers, **named)


def _first_given(
    setting: Setting, options: Mapping[str, Any], environ: Mapping[str, str], written: Mapping[str, Any]
) -> tuple[Any, str]:
    """The value and the place it came from; ("", "") where none gives one."""
    option = options.get(setting.name)
    if option is not None and option != ():
        return option, setting.option.split()[0]
    if environ.get(setting.variable, ""):
        return environ[setting.variable], setting.variable
    if setting.name in written:
        return written[setting.name], f"'{setting.name}' in the settings file"
    return "", ""


def _checked(setting: Setting, value: Any, where: str) -> Any:
    match setting.kind, value:
        case "list", str():
            return tuple(part.strip() for part in value.split(",") if part.strip())
        case "list", list() | tuple() if all(isinstance(part, str) for part in cast("list[object]", value)):
            return tuple(cast("list[str]", value))
        case "flag", bool():
            return value
        case "flag", str() if value.lower() in ("true", "false", "1", "0", "yes", "no"):
            return value.lower() in ("true", "1", "yes")
        case "path", str() | Path() if str(value):
            return Path(value).expanduser().absolute()
        case "size", str():
            return _size(value, where)
        case "number", int() if not isinstance(value, bool):
            return value
        case "number", str() if value.isascii() and value.isdigit() and len(value) <= 18:
            return int(value)
        case "text", str():
            return value
        case kind, str() if value in kind.split("|"):
            return value
        case kind, _:
            raise InvalidSettings(f"{where} is not usable: {_wanted(kind)} is wanted.", field=setting.name)


def _size(text: str, where: str) -> int:
    try:
        return parse_size(text, where)
    except InvalidRequest as error:
        raise InvalidSettings(error.message, remedy=error.remedy) from None


def _wanted(kind: str) -> str:
    words = {
        "list": "a list of texts",
        "flag": "true or false",
        "path": "a file's path",
        "size": "a size such as 2T",
        "number": "a whole number",
        "text": "a text",
    }
    return words.get(kind, " or ".join(kind.split("|")))


def _read_if_there(path: Path) -> Mapping[str, Any]:
    try:
        there = path.is_file()
    except OSError:
        return {}
    return _read(path) if there else {}


def _read(path: Path) -> Mapping[str, Any]:
    """The file's settings. One file may serve all programs; a key that none of them knows is an error."""
    name = printable(str(path))
    try:
        with path.open("rb") as file:
            written = tomllib.load(file)
    except OSError as error:
        raise InvalidSettings(f"The settings file '{name}' cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"The settings file '{name}' is not TOML: {printable(str(error))}.") from None
    unknown = sorted(set(written) - {row.name for row in TABLE})
    if unknown:
        raise InvalidSettings(f"The settings file '{name}' has an unknown setting '{printable(unknown[0])}'.")
    return written
