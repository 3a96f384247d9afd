#!/usr/bin/env python3
"""A hundred VMs by one call on one node, not started, against `qemu-img create` of as many overlays in turn.

Run it alone: .venv/bin/python bench/many_vms.py [--count N] [--image QCOW2] [--work DIR]
The whole of it: `up` with both programs, CreateVMs by HTTP, an overlay and a seed synced for each VM.
Goal: below 15 s, one base for all.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from tests.support.processes import Program, environment, run_cli  # noqa: E402
from tests.support.rpc import rpc  # noqa: E402

GOAL_SECONDS = 15.0
VIRTUAL_SIZE = 10 << 30
VMS = "limiquantix.compute.v1.VMService"


def qemu_img_alone(base: Path, folder: Path, count: int) -> float:
    folder.mkdir()
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(base)]
    began = time.perf_counter()
    for number in range(count):
        subprocess.run([*command, str(folder / f"{number}.qcow2"), str(VIRTUAL_SIZE)], check=True)
    return time.perf_counter() - began


def ours(base: Path, root: Path, count: int) -> tuple[float, list[Mapping[str, Any]]]:
    env = environment(root / "data")
    place = root / "data" / "cloud-images"
    place.mkdir(parents=True)
    (place / "golden.qcow2").write_bytes(base.read_bytes())
    with Program.start(["up", "--json", "--listen", "127.0.0.1:0"], env) as program:
        adopted = run_cli(["images", "adopt", "golden"], env, timeout=300)
        if adopted.returncode:
            raise SystemExit(adopted.stderr)
        vm = {"name": "many", "spec": {"disks": [{"image": "golden"}], "provisioning": {"cloudInit": told()}}}
        began = time.perf_counter()
        asked = {"vm": vm, "count": count}
        answer = rpc(program.url, f"{VMS}/CreateVMs", asked, token=program.token, timeout=300)
        return time.perf_counter() - began, answer["vms"]


def told() -> dict[str, Any]:
    return {"defaultUser": "debian", "packages": ["nginx"], "runCommands": ["echo 1"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--image", type=Path, help="a qcow2 to build on; default: an empty one")
    parser.add_argument("--work", type=Path, help="where to work; on the disk that is to be measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work, prefix="lq-") as folder:
        root = Path(folder)
        base: Path = options.image or root / "base.qcow2"
        if not options.image:
            subprocess.run(
                ["qemu-img", "create", "-q", "-f", "qcow2", str(base), str(VIRTUAL_SIZE)], check=True
            )
        alone = qemu_img_alone(base, root / "alone", options.count)
        seconds, made = ours(base, root, options.count)
    failed = [json.dumps(one) for one in made if "vm" not in one]
    digests = {one["vm"]["status"]["imageDigest"] for one in made if "vm" in one}
    met = seconds < GOAL_SECONDS and not failed and len(digests) == 1
    print(f"qemu-img create, {options.count} overlays in turn   {alone:6.2f} s")
    print(
        f"CreateVMs of {len(made)}, not started          {seconds:6.2f} s   {seconds / alone:.1f} times that"
    )
    verdict = "met" if met else "MISSED"
    print(f"refused {len(failed)}, bases {len(digests)}   goal {GOAL_SECONDS:.0f} s: {verdict}")
    print(*failed[:3], sep="\n")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
