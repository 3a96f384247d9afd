"""The SSH key that goes into a guest: the one given, else the user's own, else one made here."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from image_library.cli.places import DataDir
from image_library.domain.errors import InvalidSshKey, StoreNotWritable, printable
from image_library.domain.ssh_key import ALGORITHMS, parse_public_key

# The order in which OpenSSH itself prefers them.
OWN_NAMES = ("id_ed25519", "id_ecdsa", "id_rsa", "id_ed25519_sk", "id_ecdsa_sk")


@dataclass(frozen=True, kw_only=True)
class Key:
    """Public keys for the guest, one line each, and the private key to log in with.

    ``identity`` is None where ssh finds the private key by itself: the user's own, or an agent's.
    """

    public: tuple[str, ...]
    identity: Path | None = None
    source: str
    made: bool = False


def chosen(given: str, data_dir: DataDir, home: Path) -> Key:
    """The key to use; ``given`` is a file, or the one line of a public key itself.

    Raises InvalidSshKey when what was given is no public key, StoreNotWritable when none can be made.
    """
    if given.partition(" ")[0] in ALGORITHMS:
        return Key(public=(parse_public_key(given).line,), source="the key given")
    if given:
        return _from_file(Path(given).expanduser())
    for name in OWN_NAMES:
        public = home / ".ssh" / f"{name}.pub"
        if public.is_file():
            return Key(public=_lines(public), source=str(public))
    return _our_own(data_dir)


def known(given: str, data_dir: DataDir, home: Path) -> Key | None:
    """The key that ``chosen`` would give, unless it would have to make one."""
    ours = (data_dir.ssh / "id_ed25519.pub").is_file()
    own = any((home / ".ssh" / f"{name}.pub").is_file() for name in OWN_NAMES)
    return chosen(given, data_dir, home) if given or own or ours else None


def identities(data_dir: DataDir, home: Path) -> Iterable[Path]:
    """Private keys that may open a VM of ours: our own, then the user's."""
    candidates = [data_dir.ssh / "id_ed25519", *(home / ".ssh" / name for name in OWN_NAMES)]
    return [path for path in candidates if path.is_file()]


def _from_file(path: Path) -> Key:
    """A .pub file, or a private key whose .pub lies beside it: what people mean by either."""
    public = path if path.suffix == ".pub" else path.with_name(f"{path.name}.pub")
    if path.suffix != ".pub" and not public.is_file():
        public = path
    private = public.with_suffix("") if public.suffix == ".pub" else None
    identity = private.absolute() if private is not None and private.is_file() else None
    return Key(public=_lines(public), identity=identity, source=str(public))


def _lines(path: Path) -> tuple[str, ...]:
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        name = printable(str(path))
        raise InvalidSshKey(f"The key file '{name}' cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InvalidSshKey(f"'{printable(str(path))}' is not a public key.") from None
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    # As one text: a private key has many lines and is to be called what it is.
    judged = lines if "PRIVATE KEY" not in text else [text]
    try:
        return tuple(parse_public_key(line).line for line in judged or [""])
    except InvalidSshKey as error:
        message = f"'{printable(str(path))}' cannot be used: {error.message}"
        raise InvalidSshKey(message, remedy=error.remedy, field="ssh_key") from None


def _our_own(data_dir: DataDir) -> Key:
    private = data_dir.ssh / "id_ed25519"
    public = data_dir.ssh / "id_ed25519.pub"
    made = not (private.is_file() and public.is_file())
    if made:
        try:
            _make(private, public)
        except OSError as error:
            raise StoreNotWritable(f"No SSH key can be made in {data_dir.ssh}: {error.strerror}.") from None
    return Key(public=_lines(public), identity=private, source=str(public), made=made)


def _make(private: Path, public: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.OpenSSH, form.NoEncryption())
    shared = key.public_key().public_bytes(form.Encoding.OpenSSH, form.PublicFormat.OpenSSH)
    private.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(public, shared + b" limiquantix\n", 0o644)
    # Last: whoever finds a private key finds its public half as well.
    _write(private, secret, 0o600)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all: written beside, then renamed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    beside.rename(path)
