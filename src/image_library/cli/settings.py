"""Every setting of ``up``, ``controlplane`` and ``node``, in one table.

A setting comes from its option, else its environment variable, else the settings file, else its default.
docs/settings.md is made from the table.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, cast

from image_library.cli.sizes import parse_size
from image_library.domain.errors import InvalidRequest, InvalidSettings, printable

DEFAULT_LISTEN = "127.0.0.1:8006"
EVERY_PROGRAM = ("up", "controlplane", "node")
SERVERS = ("up", "controlplane")
WITH_NODE = ("up", "node")


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row of the table. ``kind`` is text, list, flag, path, size, number, or the words it may be, with |.

    A number needs no more than its row and a field of the same name in the program's own Settings; an
    empty option means that it has none.
    """

    name: str
    kind: str
    option: str
    variable: str
    default: str
    meaning: str
    programs: tuple[str, ...] = EVERY_PROGRAM


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
    control_plane: str = ""
    join_token_file: Path | None = None
    mirror: str = ""
    allow_sources: tuple[str, ...] = ()
    max_virtual_size: int = 0
    accel: str = ""
    hostname: str = ""
    refresh: str = ""
    log_format: str = "console"
    # Every setting of the kind "number" that was given.
    numbers: Mapping[str, int] = field(default_factory=dict[str, int])


TABLE: tuple[Setting, ...] = (
    Setting(
        name="listen",
        kind="text",
        option="--listen HOST:PORT",
        variable="LIMIQUANTIX_LISTEN",
        default=f"`{DEFAULT_LISTEN}`; a node apart: `127.0.0.1:0`",
        meaning="Where to listen; port 0 picks a free one. Anything but loopback needs TLS.",
    ),
    Setting(
        name="advertise",
        kind="text",
        option="--advertise HOST:PORT",
        variable="LIMIQUANTIX_ADVERTISE",
        default="what it listens on",
        meaning="Where the control plane reaches this node.",
        programs=("node",),
    ),
    Setting(
        name="allowed_hosts",
        kind="list",
        option="--allowed-host NAME",
        variable="LIMIQUANTIX_ALLOWED_HOSTS",
        default="loopback names and the listening address",
        meaning="Further values of the Host header that are answered; others may be DNS rebinding.",
        programs=SERVERS,
    ),
    Setting(
        name="auth",
        kind="flag",
        option="--no-auth",
        variable="LIMIQUANTIX_AUTH",
        default="`true`",
        meaning="Whether calls need the token. `false` works on loopback only, and warns.",
        programs=SERVERS,
    ),
    Setting(
        name="tls_cert",
        kind="path",
        option="--tls-cert FILE",
        variable="LIMIQUANTIX_TLS_CERT",
        default="none",
        meaning="Certificate chain in PEM form.",
    ),
    Setting(
        name="tls_key",
        kind="path",
        option="--tls-key FILE",
        variable="LIMIQUANTIX_TLS_KEY",
        default="none",
        meaning="The certificate's private key in PEM form.",
    ),
    Setting(
        name="tls_ca",
        kind="path",
        option="--tls-ca FILE",
        variable="LIMIQUANTIX_TLS_CA",
        default="the machine's authorities",
        meaning="Authorities that the other program's certificate is checked against.",
    ),
    Setting(
        name="catalog",
        kind="path",
        option="--catalog FILE",
        variable="LIMIQUANTIX_CATALOG",
        default="none",
        meaning="Entries to add to the catalog or to replace in it (docs/catalog.md).",
        programs=SERVERS,
    ),
    Setting(
        name="control_plane",
        kind="text",
        option="--control-plane URL",
        variable="LIMIQUANTIX_CONTROL_PLANE",
        default="none; required",
        meaning="The control plane that the node belongs to.",
        programs=("node",),
    ),
    Setting(
        name="join_token_file",
        kind="path",
        option="--join-token-file FILE",
        variable="LIMIQUANTIX_JOIN_TOKEN_FILE",
        default="`<data-dir>/join-token`",
        meaning="The token that control plane and nodes share; the control plane makes it.",
    ),
    Setting(
        name="mirror",
        kind="text",
        option="--mirror URL",
        variable="LIMIQUANTIX_MIRROR",
        default="none",
        meaning="Fetch `https://HOST/PATH` from `URL/HOST/PATH` instead (docs/mirrors.md).",
        programs=WITH_NODE,
    ),
    Setting(
        name="allow_sources",
        kind="list",
        option="--allow-source HOST",
        variable="LIMIQUANTIX_ALLOW_SOURCES",
        default="none",
        meaning="Hosts and CIDRs that may be fetched from although their addresses are private or loopback.",
        programs=WITH_NODE,
    ),
    Setting(
        name="max_virtual_size",
        kind="size",
        option="--max-virtual-size SIZE",
        variable="LIMIQUANTIX_MAX_VIRTUAL_SIZE",
        default="`2T`",
        meaning="Images that claim a larger disk than this are refused.",
        programs=WITH_NODE,
    ),
    Setting(
        name="max_upload_gib",
        kind="number",
        option="",
        variable="LIMIQUANTIX_MAX_UPLOAD_GIB",
        default="`2048`",
        meaning="The largest upload that is taken, in GiB; 0: any.",
        programs=SERVERS,
    ),
    Setting(
        name="project_quota_gib",
        kind="number",
        option="",
        variable="LIMIQUANTIX_PROJECT_QUOTA_GIB",
        default="`0`: no limit",
        meaning="What the images and uploads of one project may take together, in GiB.",
        programs=SERVERS,
    ),
    Setting(
        name="upload_expiry_hours",
        kind="number",
        option="",
        variable="LIMIQUANTIX_UPLOAD_EXPIRY_HOURS",
        default="`24`",
        meaning="How long an upload to which nothing comes is kept.",
        programs=SERVERS,
    ),
    Setting(
        name="hostname",
        kind="text",
        option="",
        variable="LIMIQUANTIX_HOSTNAME",
        default="the machine's own",
        meaning="What the node is called.",
        programs=WITH_NODE,
    ),
    Setting(
        name="accel",
        kind="auto|kvm|tcg",
        option="--accel auto|kvm|tcg",
        variable="LIMIQUANTIX_ACCEL",
        default="`auto`",
        meaning="How QEMU runs guests; `auto` takes KVM where it really works.",
        programs=WITH_NODE,
    ),
    Setting(
        name="gc_interval_hours",
        kind="number",
        option="",
        variable="LIMIQUANTIX_GC_INTERVAL_HOURS",
        default="`24`",
        meaning="How often what nothing needs is removed unasked (docs/lifecycle.md); 0: never.",
        programs=SERVERS,
    ),
    Setting(
        name="refresh",
        kind="off|check|fetch",
        option="",
        variable="LIMIQUANTIX_REFRESH",
        default="`check`",
        meaning="Whether publishers are asked for newer builds of what is here: never, to tell of them only, "
        "or to fetch them (docs/refresh.md).",
        programs=SERVERS,
    ),
    Setting(
        name="refresh_hours",
        kind="number",
        option="",
        variable="LIMIQUANTIX_REFRESH_HOURS",
        default="`24`",
        meaning="How long a publisher is not asked again.",
        programs=SERVERS,
    ),
    Setting(
        name="keep_versions",
        kind="number",
        option="",
        variable="LIMIQUANTIX_KEEP_VERSIONS",
        default="`3`",
        meaning="How many versions of a catalog image stay when it is refreshed; those that VMs use and "
        "protected ones do not count.",
        programs=SERVERS,
    ),
    Setting(
        name="job_patience_hours",
        kind="number",
        option="",
        variable="LIMIQUANTIX_JOB_PATIENCE_HOURS",
        default="`24`",
        meaning="A job whose node stays away for longer fails; it can be tried again (docs/jobs.md).",
        programs=SERVERS,
    ),
    Setting(
        name="job_history_days",
        kind="number",
        option="",
        variable="LIMIQUANTIX_JOB_HISTORY_DAYS",
        default="`30`",
        meaning="Jobs that ended longer ago are forgotten; never more than 10,000 ended jobs are kept.",
        programs=SERVERS,
    ),
    Setting(
        name="log_format",
        kind="console|json",
        option="--log-format console|json",
        variable="LIMIQUANTIX_LOG_FORMAT",
        default="`console`",
        meaning="Logs on stderr for people, or one JSON document a line.",
    ),
)


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
