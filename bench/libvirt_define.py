#!/usr/bin/env python3
"""From CreateVM to a domain that libvirt knows, image present, against `virt-install --import --cloud-init`.

Run it alone, as root: .venv/bin/python bench/libvirt_define.py [--rounds N]
Ours is the node's whole service: the order judged, overlay and seed made and synced, the domain defined, the
journal written. Theirs makes its seed, defines the domain and starts it; its overlay is made beforehand. How
long ours takes until the guest runs is told as well. The two take turns, so that a busy machine treats both
alike.
Goal: defined at least 10 times as fast.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

import structlog  # noqa: E402
import uvloop  # noqa: E402

from image_library.domain.image import ImageFormat  # noqa: E402
from image_library.node.adapters.hypervisors.libvirt.driver import LibvirtSettings  # noqa: E402
from tests.integration.node.vms.daemon import Daemon, image_at, order  # noqa: E402
from tests.support.libvirtd import Libvirtd, libvirtd_or_skip  # noqa: E402

GOAL = 10.0
VIRTUAL_SIZE = 1 << 30


async def ours(daemon: Daemon, vm_id: str) -> tuple[float, float]:
    """Seconds until it is defined, and until it runs."""
    began = time.perf_counter()
    await daemon.vms.create(order(vm_id, memory_mib=64))
    defined = time.perf_counter()
    await daemon.vms.start(vm_id)
    running = time.perf_counter()
    await daemon.vms.delete(vm_id)
    return defined - began, running - began


def theirs(libvirtd: Libvirtd, base: Path, folder: Path, name: str) -> float:
    disk = folder / f"{name}.qcow2"
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(base), str(disk)]
    subprocess.run(command, check=True)
    (folder / "user-data").write_text("#cloud-config\n{}\n")
    words = [
        "--connect",
        libvirtd.uri,
        "--name",
        name,
        "--memory",
        "64",
        "--import",
        "--osinfo",
        "detect=off",
    ]
    words += ["--disk", f"path={disk},format=qcow2", "--cloud-init", f"user-data={folder}/user-data"]
    words += ["--virt-type", "qemu", "--network", "none", "--graphics", "none", "--noautoconsole"]
    began = time.perf_counter()
    done = subprocess.run(
        libvirtd.inside("virt-install", *words), check=False, capture_output=True, text=True
    )
    took = time.perf_counter() - began
    if done.returncode:
        sys.exit(f"virt-install: {done.stderr[-500:]}")
    for last in (["destroy", name], ["undefine", name]):
        subprocess.run(libvirtd.inside("virsh", "-q", *last), check=True, capture_output=True)
    return took


def make_base(path: Path) -> Path:
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(path), str(VIRTUAL_SIZE)], check=True)
    return path


async def measure(
    libvirtd: Libvirtd, root: Path, rounds: int
) -> tuple[list[float], list[float], list[float]]:
    base = make_base(root / "base.qcow2")
    settings = LibvirtSettings(uri=libvirtd.uri, accelerator="tcg", isolated=True)
    daemon = await Daemon.started(root, image_at(base, ImageFormat.QCOW2, VIRTUAL_SIZE), settings)
    # A node connects when it starts, not when somebody waits for a VM.
    await daemon.hypervisor.accelerator()
    defined: list[float] = []
    running: list[float] = []
    other: list[float] = []
    try:
        for number in range(rounds):
            one, whole = await ours(daemon, f"vm-{number}")
            defined.append(one)
            running.append(whole)
            their = await asyncio.to_thread(theirs, libvirtd, base, root, f"theirs-{number}")
            other.append(their)
    finally:
        await daemon.stop()
    return defined, running, other


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with tempfile.TemporaryDirectory(prefix="lv") as folder, tempfile.TemporaryDirectory() as work:
        for libvirtd in libvirtd_or_skip(Path(folder)):
            measured = uvloop.run(measure(libvirtd, Path(work), rounds))
            defined, running, other = (statistics.median(times) * 1000 for times in measured)
            print(f"CreateVM to defined:  {defined:8.0f} ms")
            print(f"CreateVM to running:  {running:8.0f} ms")
            print(f"virt-install:         {other:8.0f} ms")
            print(
                f"defined {other / defined:.1f} times as fast (goal {GOAL:g}), running {other / running:.1f}"
            )
            return 0 if other / defined >= GOAL else 1
    return 1


if __name__ == "__main__":
    sys.exit(main())
