"""What a guest is besides its users: language, clock, disks, files and trust, judged as they become items.

Module reference: https://docs.cloud-init.io/en/latest/reference/modules.html
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from image_library.domain.certificates import certificates_in
from image_library.domain.errors import InvalidGuestSetting, printable
from image_library.domain.guest_urls import host, proxy_url, url
from image_library.domain.repositories import Repository
from image_library.domain.user_data import LARGEST_DOCUMENT, checked_text

T = TypeVar("T")

MOST_ITEMS = 256
_LOCALE = re.compile(r"(C|POSIX|[a-z]{2,3}(_[A-Z]{2})?)(\.[A-Za-z0-9-]{1,16})?(@[A-Za-z0-9]{1,16})?")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9+_-]{0,31}(/[A-Za-z0-9][A-Za-z0-9+_-]{0,31}){0,2}")
_KEYS = re.compile(r"[A-Za-z0-9_,:()-]{1,128}")
_PATH = re.compile(r"(/[^/\0]{1,255}){1,32}")
_OWNER = re.compile(r"[a-z_][a-z0-9_-]{0,31}(:[a-z_][a-z0-9_-]{0,31})?")
_MODE = re.compile(r"0?[0-7]{3,4}")
# What fstab takes as one word: no blank, and nothing that it would unfold.
_WORD = re.compile(r"[A-Za-z0-9/_.:=@,+%-]{1,255}")
_POSTED = frozenset({"pub_key_rsa", "pub_key_ecdsa", "pub_key_ed25519", "instance_id", "hostname", "fqdn"})
MOST_TRIES = 100


class Growth(Enum):
    """Whether partitions grow when the disk is larger than the image."""

    # What the image does of itself: the root file system grows.
    USUAL = ""
    OFF = "off"
    # Those that are named.
    NAMED = "auto"


@dataclass(frozen=True, kw_only=True)
class Keyboard:
    layout: str = ""
    model: str = ""
    variant: str = ""
    options: str = ""


@dataclass(frozen=True, kw_only=True)
class GuestFile:
    """A file that is written on the first boot: text, or bytes where there is no text."""

    path: str
    text: str = field(default="", repr=False)
    data: bytes = field(default=b"", repr=False)
    # USER or USER:GROUP; empty: root.
    owner: str = ""
    # Octal, such as 0644; empty: that.
    permissions: str = ""
    append: bool = False


@dataclass(frozen=True, kw_only=True)
class Mount:
    """A line of fstab(5). ``target`` is "none" for swap."""

    source: str
    target: str
    type: str = "auto"
    options: str = ""


@dataclass(frozen=True, kw_only=True)
class Proxy:
    http: str = ""
    https: str = ""
    no_proxy: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PhoneHome:
    url: str = ""
    # Empty: all that cloud-init knows.
    post: tuple[str, ...] = ()
    # 0: ten.
    tries: int = 0


@dataclass(frozen=True, kw_only=True)
class GuestSystem:
    """All settings; what is left out is left to the image."""

    locale: str = ""
    timezone: str = ""
    keyboard: Keyboard = Keyboard()
    upgrade: bool = False
    repositories: tuple[Repository, ...] = ()
    files: tuple[GuestFile, ...] = ()
    boot_commands: tuple[str, ...] = field(default=(), repr=False)
    growth: Growth = Growth.USUAL
    grow_devices: tuple[str, ...] = ()
    mounts: tuple[Mount, ...] = ()
    swap_mib: int = 0
    ntp_servers: tuple[str, ...] = ()
    ntp_pools: tuple[str, ...] = ()
    proxy: Proxy = Proxy()
    # PEM, one or several in each.
    ca_certificates: tuple[str, ...] = ()
    phone_home: PhoneHome = PhoneHome()
    # cloud-init leaves /etc/hosts alone.
    keep_etc_hosts: bool = False


def system_items(system: GuestSystem) -> dict[str, Any]:
    """The items of cloud-config for everything but packages and commands.

    Raises:
        InvalidGuestSetting: a value cannot be used.
        InvalidUserData: a file's text cannot be on a seed.
    """
    items: dict[str, Any] = {
        "locale": _matching(system.locale, _LOCALE, "locale", "a locale such as de_DE.UTF-8"),
        "timezone": _matching(system.timezone, _ZONE, "timezone", "a time zone such as Europe/Berlin"),
        "keyboard": _keyboard(system.keyboard),
        "growpart": _growth(system),
        "mounts": [_mount(mount) for mount in _few(system.mounts, "mounts")],
        "swap": _swap(system.swap_mib),
        "ntp": _ntp(system),
        "ca_certs": _trusted(system.ca_certificates),
        "write_files": [file_item(file) for file in _few(system.files, "files")],
        "phone_home": _phone_home(system.phone_home),
    }
    return {key: value for key, value in items.items() if value}


def file_item(file: GuestFile) -> dict[str, Any]:
    """A file as an item of ``write_files``."""
    path = _path(file.path, "files.path")
    if file.text and file.data:
        raise _refused(f"The file {printable(path)} has text and data; give one of them.", "files")
    checked_text(file.text, field="files.text")
    if len(file.data) > LARGEST_DOCUMENT:
        raise _refused(f"The file {printable(path)} is larger than {LARGEST_DOCUMENT} bytes.", "files.data")
    item: dict[str, Any] = {"path": path}
    if file.data:
        item |= {"encoding": "b64", "content": base64.b64encode(file.data).decode()}
    else:
        item["content"] = file.text
    mode = _matching(file.permissions, _MODE, "files.permissions", "octal permissions such as 0644")
    item["permissions"] = mode.rjust(4, "0") if mode else "0644"
    owner = _matching(file.owner, _OWNER, "files.owner", "an owner such as www-data:www-data")
    if owner:
        # Users are made after files are written.
        item |= {"owner": owner, "defer": True}
    return item | ({"append": True} if file.append else {})


def _keyboard(keyboard: Keyboard) -> dict[str, str]:
    parts = {name: getattr(keyboard, name) for name in ("layout", "model", "variant", "options")}
    said = {
        name: _matching(text, _KEYS, f"keyboard.{name}", "a name of XKB such as de")
        for name, text in parts.items()
        if text
    }
    if said and not keyboard.layout:
        raise _refused("A keyboard has a layout.", "keyboard.layout")
    return said


def _growth(system: GuestSystem) -> dict[str, Any]:
    if system.grow_devices and system.growth is Growth.OFF:
        raise _refused("Partitions are named that grow, and growing is switched off.", "grow_devices")
    named = _few(system.grow_devices, "grow_devices")
    devices = [device if device == "/" else _path(device, "grow_devices") for device in named]
    if devices or system.growth is Growth.NAMED:
        return {"mode": "auto", "devices": devices or ["/"]}
    # As text: YAML 1.1 reads a bare off as false, which newer versions warn about.
    return {"mode": "off"} if system.growth is Growth.OFF else {}


def _mount(mount: Mount) -> list[str]:
    if mount.target not in ("none", "/"):
        _path(mount.target, "mounts.target")
    words = [mount.source, mount.target, mount.type, mount.options or "defaults,nofail"]
    for word in words:
        if not _WORD.fullmatch(word):
            raise _refused(f"'{printable(word)}' cannot be a word of fstab.", "mounts")
    return words


def _swap(mib: int) -> dict[str, Any]:
    return {"filename": "/swapfile", "size": mib << 20} if mib else {}


def _ntp(system: GuestSystem) -> dict[str, Any]:
    said = {
        "servers": _hosts(system.ntp_servers, "ntp_servers"),
        "pools": _hosts(system.ntp_pools, "ntp_pools"),
    }
    used = {key: value for key, value in said.items() if value}
    return {"enabled": True, **used} if used else {}


def _hosts(names: tuple[str, ...], field: str) -> list[str]:
    return list(dict.fromkeys(host(name, field) for name in _few(names, field)))


def _trusted(texts: tuple[str, ...]) -> dict[str, Any]:
    found = [one for text in _few(texts, "ca_certificates") for one in certificates_in(text)]
    return {"trusted": list(dict.fromkeys(found))} if found else {}


def _phone_home(phone: PhoneHome) -> dict[str, Any]:
    if not phone.url:
        return {}
    unknown = next((key for key in phone.post if key not in _POSTED), "")
    if unknown:
        raise _refused(f"'{printable(unknown)}' is nothing that a guest reports.", "phone_home.post")
    if phone.tries > MOST_TRIES:
        raise _refused(f"A guest tries at most {MOST_TRIES} times.", "phone_home.tries")
    return {
        "url": url(phone.url, "phone_home.url"),
        "post": list(dict.fromkeys(phone.post)) or "all",
        "tries": phone.tries or 10,
    }


def proxied(proxy: Proxy) -> dict[str, str]:
    """The environment that makes programs use the proxy; empty where there is none.

    Raises:
        InvalidGuestSetting: it is not the URL of one.
    """
    names = ",".join(host(name.removeprefix("."), "proxy.no_proxy") for name in proxy.no_proxy)
    said = {
        "http_proxy": proxy.http and proxy_url(proxy.http, "proxy.http"),
        "https_proxy": proxy.https and proxy_url(proxy.https, "proxy.https"),
        "no_proxy": names,
    }
    return {name: value for name, value in said.items() if value}


def _path(path: str, field: str) -> str:
    parts = path.split("/")
    if not _PATH.fullmatch(path) or "." in parts or ".." in parts or not path.isprintable():
        raise _refused(f"'{printable(path)}' is not the whole path of a file in the guest.", field)
    return path


def _matching(text: str, form: re.Pattern[str], field: str, what: str) -> str:
    if text and not form.fullmatch(text):
        raise _refused(f"'{printable(text)}' is not {what}.", field)
    return text


def _few(items: tuple[T, ...], name: str) -> tuple[T, ...]:
    if len(items) > MOST_ITEMS:
        raise _refused(f"There are {len(items)} {name}; at most {MOST_ITEMS} are taken.", name)
    return items


def _refused(sentence: str, field: str) -> InvalidGuestSetting:
    return InvalidGuestSetting(sentence, field=field)
