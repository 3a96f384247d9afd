#!/usr/bin/env python3
"""Rendering a guest's documents and writing its seed ISO, against formatting the same by genisoimage.

Run it alone: .venv/bin/python bench/render.py [ROUNDS]
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from image_library.catalog.loader import load_catalog  # noqa: E402
from image_library.controlplane.adapters.yaml_documents import YamlDocuments  # noqa: E402
from image_library.controlplane.services.provisioning import Guest, SeedRenderer  # noqa: E402
from image_library.domain.cloud_init import Provisioning  # noqa: E402
from image_library.domain.network_wish import NetworkWish, network_of  # noqa: E402
from image_library.domain.vm import SeedDocuments  # noqa: E402
from image_library.node.adapters.seed_iso import SeedIso  # noqa: E402

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
GOAL_MS = 5.0


ASKED = Provisioning(ssh_authorized_keys=(KEY,), packages=("nginx",), run_commands=("echo 1",))


def a_guest() -> Guest:
    entry = load_catalog().find("debian-12")
    assert entry is not None
    return Guest(
        vm_name="web",
        instance_id="i-1",
        image_user=entry.os.default_user,
        traits=entry.traits,
        network=network_of(NetworkWish(), "vm-1"),
    )


def milliseconds(work: Callable[[], object], rounds: int) -> tuple[float, float]:
    """The median of the time that passed, and of the processor's."""
    passed: list[float] = []
    used: list[float] = []
    for _ in range(rounds):
        begun, own = time.perf_counter(), time.process_time()
        work()
        passed.append((time.perf_counter() - begun) * 1000)
        used.append((time.process_time() - own) * 1000)
    return median(passed), median(used)


def by_genisoimage(folder: Path, documents: SeedDocuments) -> None:
    for name in ("user_data", "meta_data", "network_config"):
        (folder / name.replace("_", "-")).write_text(getattr(documents, name))
    files = [str(folder / name) for name in ("user-data", "meta-data", "network-config")]
    given = ["-quiet", "-V", "cidata", "-r", "-J", "-o", str(folder / "peer.iso")]
    subprocess.run(["genisoimage", *given, *files], check=True)


def main(rounds: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder, loop = Path(name), asyncio.new_event_loop()
        guest = a_guest()
        renderer, seeds = SeedRenderer(YamlDocuments()), SeedIso()
        documents = renderer.render(ASKED, guest).documents
        render = milliseconds(lambda: renderer.render(ASKED, guest), rounds)
        iso = milliseconds(lambda: loop.run_until_complete(seeds.write(str(folder), documents)), rounds)
        print("            passed  processor")
        print(f"rendering  {render[0]:6.2f} ms  {render[1]:6.2f} ms")
        print(f"seed ISO   {iso[0]:6.2f} ms  {iso[1]:6.2f} ms (written through to the disk)")
        together = render[0] + iso[0]
        print(f"together   {together:6.2f} ms  {render[1] + iso[1]:6.2f} ms")
        print(f"goal       {together / GOAL_MS:.2f} x {GOAL_MS} ms")
        if shutil.which("genisoimage"):
            peer = milliseconds(lambda: by_genisoimage(folder, documents), max(5, rounds // 10))
            print(f"genisoimage{peer[0]:6.2f} ms for the ISO alone")
        loop.close()
        return int(together > GOAL_MS)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
