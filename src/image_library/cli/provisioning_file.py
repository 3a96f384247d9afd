"""``--provisioning FILE``: what a guest is told, as TOML with the names that the API gives to its fields.

Passwords in it, and in ``--password-file``, are hashed here: none is sent.
"""

from __future__ import annotations

import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from protobuf import Message

from image_library.domain.errors import InvalidGuestSetting, InvalidPassword, LibraryError, printable
from image_library.domain.password import SALT_CHARACTERS, SALT_LENGTH, hashed
from image_library.domain.secret import Secret
from image_library.wire.plain_data import UnfitData, message_from
from limiquantix.compute.v1.vm_pb import (
    Bond,
    CloudInitConfig,
    GuestUser,
    NetworkInterface,
    SysprepConfig,
    Vlan,
    VmSpec,
)

M = TypeVar("M", bound=Message)
_NETWORK = ("nics", "vlans", "bonds")
FIELD = "provisioning"


@dataclass(frozen=True, kw_only=True)
class Provisioned:
    config: CloudInitConfig = field(default_factory=CloudInitConfig, repr=False)
    # For Windows, instead of ``config``.
    sysprep: SysprepConfig | None = field(default=None, repr=False)
    nics: tuple[NetworkInterface, ...] = ()
    vlans: tuple[Vlan, ...] = ()
    bonds: tuple[Bond, ...] = ()


def read(path: Path | None) -> Provisioned:
    """What the file says; nothing where there is none.

    Raises:
        InvalidGuestSetting: it cannot be read, is no TOML, or has a field that there is not.
        InvalidPassword: a password in it cannot be used.
    """
    if path is None:
        return Provisioned()
    name = printable(str(path))
    try:
        said = tomllib.loads(path.expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidGuestSetting(f"'{name}' cannot be read: {error.strerror}.", field=FIELD) from None
    except (ValueError, RecursionError) as error:
        raise InvalidGuestSetting(f"'{name}' is not valid TOML: {why_not(error)}.", field=FIELD) from None
    network = _message(VmSpec, {key: said.pop(key) for key in _NETWORK if key in said}, name)
    sysprep = said.pop("sysprep", None)
    if sysprep is not None and said:
        raise _unfit(name, f"it has both [sysprep], for Windows, and {', '.join(sorted(said))}")
    config = _message(CloudInitConfig, said, name)
    for user in config.users:
        hide_password(user)
    return Provisioned(
        config=config,
        sysprep=None if sysprep is None else _message(SysprepConfig, sysprep, name, guide="windows"),
        nics=tuple(network.nics),
        vlans=tuple(network.vlans),
        bonds=tuple(network.bonds),
    )


def why_not(error: ValueError | RecursionError) -> str:
    """What is wrong with TOML and where, without the text that stands there."""
    if isinstance(error, tomllib.TOMLDecodeError):
        return printable(str(error))
    return "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else "a value in it is too large"


def hide_password(user: GuestUser) -> None:
    """Puts the hash in the password's place. Raises: InvalidPassword."""
    if not user.password:
        return
    if user.password_hash:
        raise InvalidPassword("A user has a password and a hash; give one of them.", field="users.password")
    user.password_hash = _hash(user.password)
    user.password = ""


def password_from(path: str) -> str:
    """The hash of the password that is the first line of the file, or of standard input where it is "-".

    Raises:
        InvalidPassword: it cannot be read or used.
    """
    try:
        text = sys.stdin.readline() if path == "-" else Path(path).expanduser().read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidPassword(
            f"'{printable(path)}' cannot be read: {error.strerror}.",
            remedy="Name a file whose first line is the password, or '-' for standard input.",
            field="password",
        ) from None
    except UnicodeDecodeError:
        raise InvalidPassword(f"'{printable(path)}' is not UTF-8 text.", field="password") from None
    return _hash(text.partition("\n")[0].removesuffix("\r"))


def _hash(password: str) -> str:
    import secrets

    salt = "".join(secrets.choice(SALT_CHARACTERS) for _ in range(SALT_LENGTH))
    return hashed(Secret(password), salt=salt).reveal()


def _message(kind: type[M], said: object, name: str, *, guide: str = "cloud-init") -> M:
    try:
        return message_from(kind, said)
    except UnfitData as error:
        raise _unfit(name, f"{error}", guide) from None


def _unfit(name: str, why: str, guide: str = "cloud-init") -> LibraryError:
    return InvalidGuestSetting(
        f"'{name}' does not fit: {printable(why, 200)}.",
        remedy=f"docs/{guide}.md lists the fields.",
        field=FIELD,
    )
