"""What shuts a program in on this machine: the kernel's Landlock, else bubblewrap's namespaces."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from enum import Enum
from pathlib import Path

from image_library.node.adapters.jail import entry

# What every program needs to start: the loader, its cache, the C library and their like.
LIBRARIES = ("/usr/lib", "/usr/lib64", "/lib", "/lib64", "/etc/ld.so.cache")
DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom")


class Wall(Enum):
    LANDLOCK = "landlock"
    BUBBLEWRAP = "bubblewrap"
    # Limits only; an operator's decision.
    NONE = "none"


def best_wall() -> Wall | None:
    """The best there is, None where there is none that holds."""
    if entry.landlock_abi() > 0:
        return Wall.LANDLOCK
    return Wall.BUBBLEWRAP if shutil.which("bwrap") else None


def bubblewrapped(
    program: tuple[str, ...], *, places: Iterable[str], readable: Iterable[int], writable: Iterable[int]
) -> tuple[str, ...]:
    """The command that runs ``program`` with nothing but these places and open files, under their names."""
    bound = [("--ro-bind-try", place) for place in places if place not in DEVICES]
    bound += [("--ro-bind-try", _name_of(descriptor)) for descriptor in readable]
    bound += [("--bind-try", _name_of(descriptor)) for descriptor in writable]
    binds = [word for how, name in bound for word in (how, name, name)]
    alone = ("--unshare-all", "--die-with-parent", "--proc", "/proc", "--dev", "/dev", "--chdir", "/")
    return (shutil.which("bwrap") or "/usr/bin/bwrap", *alone, *binds, "--", *program)


def _name_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())
