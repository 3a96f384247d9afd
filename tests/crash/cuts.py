"""Power cuts of a real file system: the walks run on it, and at any instant its blocks are what they are.

    unshare -m python -m tests.crash.cuts FOLDER KIND COUNT SEED [FORGOTTEN-OPERATION ...]

The file system (ext4, xfs or btrfs) lies in a file that lies on xfs, which can copy a file at one instant
(FICLONE). Each copy is mounted, which replays its log as after a power cut, and the node starts on it. Blocks
that were given to the device are kept: a disk that loses its cache too is the model's business.
Everything is mounted in a namespace of this process, and is gone with it. Prints one line of JSON.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from itertools import cycle
from pathlib import Path
from typing import BinaryIO

import structlog

from tests.crash.kills import in_child, told, walked
from tests.crash.protocols import NAMED, copy, prepare, recovered
from tests.crash.seams import Hook

_FICLONE = 0x40049409
_BLKFLSBUF = 0x1261
_LIBC = ctypes.CDLL(None, use_errno=True)
_MIB = 1 << 20
WALKS = ("download", "upload", "adopt", "convert", "delete", "collect", "replace", "quarantine", "unpack")
# Seconds between two cuts of one walk, at most; of one that takes longer, as much of it.
_PAUSE, _SHARE = 0.03, 0.4
# How each is made without asking, the smallest that it wants to be, and how it is told not to mind a copy.
KINDS = {
    "ext4": (("mkfs.ext4", "-q", "-F", "-m", "0"), 32 * _MIB, ""),
    "xfs": (("mkfs.xfs", "-q"), 300 * _MIB, "nouuid"),
    "btrfs": (("mkfs.btrfs", "-q", "--mixed"), 120 * _MIB, ""),
}


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def mount(device: Path, target: Path, kind: str, options: str = "") -> None:
    """As mount(8), which takes longer to start than the kernel takes to mount."""
    target.mkdir(exist_ok=True)
    arguments = (str(device), str(target), kind)
    if _LIBC.mount(*(text.encode() for text in arguments), 0, options.encode()):
        raise OSError(ctypes.get_errno(), f"mounting {device} failed")


def unmount(target: Path) -> None:
    if _LIBC.umount2(str(target).encode(), 0):
        raise OSError(ctypes.get_errno(), f"unmounting {target} failed")


def loop_device(image: Path) -> Path:
    """One that goes when nobody uses it and it is detached."""
    command = ("losetup", "--find", "--show", str(image))
    found = subprocess.run(command, check=True, capture_output=True, text=True)
    return Path(found.stdout.strip())


class Cuts:
    def __init__(self, folder: Path, kind: str, seed: int, *, forgets: frozenset[str]) -> None:
        self._folder = folder
        self._hook = Hook()
        self._hook.forgets = forgets
        self._kind = kind
        self._make, self._size, self._options = KINDS[kind]
        self._random = random.Random(seed)
        self._ground = folder / "ground"
        self._image, self._clone = self._ground / "image", self._ground / "clone"
        self._live = folder / "live"
        self._device = Path()
        self._took: dict[str, float] = {}
        self._held: list[BinaryIO] = []
        self._mounted: list[Path] = []
        self.done: Counter[str] = Counter()
        self.failures: list[str] = []

    def prepare(self) -> None:
        ground = self._folder / "ground.xfs"
        _empty(ground, 2048 * _MIB)
        run("mkfs.xfs", "-q", "-m", "reflink=1", str(ground))
        self._mount(self._attach(ground), self._ground, "xfs")
        _empty(self._image, self._size)
        _empty(self._clone, self._size)
        run(*self._make, str(self._image))
        self._mount(self._attach(self._image), self._live, self._kind)
        self._device = self._attach(self._clone)
        for name in WALKS:
            status, said = in_child(lambda pipe, name=name: self._template(name, pipe))
            if status:
                raise RuntimeError(f"{name}: {said}")
            self._took[name] = float(said)

    def _template(self, name: str, pipe: int) -> None:
        template, tried = self._folder / name, self._live / "tried"
        asyncio.run(prepare(NAMED[name], template))
        copy(template, tried)
        begun = time.monotonic()
        asyncio.run(walked(NAMED[name], tried, Hook(), lambda _: None))
        told(pipe, str(time.monotonic() - begun))
        shutil.rmtree(tried)

    def run(self, count: int) -> None:
        """So many cuts, of each walk a few, of a slow one less; of a planted mistake one proof is enough."""
        turn = cycle(WALKS)
        while (done := sum(self.done.values())) < count and not (self._hook.forgets and self.failures):
            name = next(turn)
            self._walk(name, cuts=min(2 if NAMED[name].slow else 4, count - done))

    def _walk(self, name: str, *, cuts: int) -> None:
        data = self._live / "data"
        copy(self._folder / name, data)
        os.sync()
        reading, writing = os.pipe()
        os.set_blocking(reading, False)
        child = self._child(name, data, writing)
        promised = ""
        for _ in range(cuts):
            time.sleep(self._random.uniform(0, max(_PAUSE, _SHARE * self._took[name])))
            promised += _said(reading)
            self._cut()
            # Nobody changes anything, or looks for a path, while the copy lies over the original.
            os.kill(child, signal.SIGSTOP)
            status = os.waitpid(child, os.WUNTRACED)[1]
            later = _said(reading)
            self._check(name, frozenset(promised.split()), later)
            promised += later
            if not os.WIFSTOPPED(status):
                break
            os.kill(child, signal.SIGCONT)
        else:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        os.close(reading)
        shutil.rmtree(data)

    def _child(self, name: str, data: Path, pipe: int) -> int:
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(walked(NAMED[name], data, self._hook, lambda said: told(pipe, said)))
            finally:
                os._exit(0)
        os.close(pipe)
        return child

    def _cut(self) -> None:
        with self._image.open("rb") as source, self._clone.open("r+b") as target:
            fcntl.ioctl(target, _FICLONE, source.fileno())

    def _check(self, name: str, promised: frozenset[str], later: str) -> None:
        # What was promised while it was cut may hold or not; a removal that began may have removed.
        begun = promised | ({"removing"} if "removing" in later else set[str]())
        with self._device.open("rb") as device:
            fcntl.ioctl(device, _BLKFLSBUF)
        mount(self._device, self._live, self._kind, self._options)
        try:
            work = recovered(NAMED[name], self._live / "data", frozenset(begun))
            status, said = in_child(lambda _: asyncio.run(work))
            work.close()
            if status:
                self.failures.append(f"{name} {sorted(begun)}: {said}")
        finally:
            unmount(self._live)
        self.done[name] += 1

    def _attach(self, image: Path) -> Path:
        device = loop_device(image)
        # Whoever has it open or mounted keeps it, and whatever way they end, it goes with them.
        self._held.append(device.open("rb"))
        run("losetup", "--detach", str(device))
        return device

    def _mount(self, device: Path, target: Path, kind: str) -> None:
        mount(device, target, kind)
        self._mounted.append(target)

    def close(self) -> None:
        """Whatever happened, no mount and no loop device stays."""
        for held in reversed(self._held):
            held.close()
        for target in reversed(self._mounted):
            unmount(target)


def _empty(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)


def _said(pipe: int) -> str:
    try:
        return os.read(pipe, 4096).decode()
    except BlockingIOError:
        return ""


def main(folder: str, kind: str, count: str, seed: str, *forgets: str) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    cuts = Cuts(Path(folder), kind, int(seed), forgets=frozenset(forgets))
    try:
        cuts.prepare()
        begun = time.monotonic()
        cuts.run(int(count))
        took = time.monotonic() - begun
    finally:
        cuts.close()
    answer = {"cuts": cuts.done, "seconds": took, "failures": cuts.failures[:20]}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
