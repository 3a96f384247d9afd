#!/usr/bin/env python3
"""A verified, published download of 1 GiB against curl alone, and against curl followed by sha256sum.

Run it alone: .venv/bin/python bench/download.py [--size-mib N] [--rounds N] [--work DIR]
The file comes from nginx on loopback. Ours is the node's whole download service: checksum file, fetch,
sha256, header check, everything synced, published and in the journal; curl does none of that.
Goals: at most 1.25 x curl, less than curl + sha256sum.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

import structlog  # noqa: E402
import uvloop  # noqa: E402

from tests.fakes.node_images import Qcow2  # noqa: E402
from tests.fakes.node_workbench import order, workbench  # noqa: E402

HOST = "cloud.example.org/images"
NAME = "disk.qcow2"
CONFIG = """
daemon off; worker_processes 1; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f;
  uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
  server {{ listen 127.0.0.1:{port}; root {root}/files; }}
}}
"""


def make_image(path: Path, mib: int) -> None:
    """A file with a true header and noise; not random enough to fool anybody, but not compressible either."""
    noise = os.urandom(1 << 20)
    with path.open("wb") as file:
        file.write(Qcow2().file(1 << 20))
        for number in range(1, mib):
            file.write(number.to_bytes(8, "big") + noise[8:])


def publish(root: Path, mib: int) -> None:
    folder = root / "files" / HOST
    folder.mkdir(parents=True)
    make_image(folder / NAME, mib)
    for algorithm in ("sha256", "sha512"):
        with (folder / NAME).open("rb") as file:
            digest = hashlib.file_digest(file, algorithm).hexdigest()
        (folder / algorithm.upper()).write_text(f"{digest}  {NAME}\n")


@contextmanager
def nginx(root: Path) -> Generator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config = root / "nginx.conf"
    config.write_text(CONFIG.format(root=root, port=port))
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        sys.exit("nginx is missing: apt-get install nginx-light")
    # As the user who runs this: a worker under another name could not read the files.
    user = ["-g", "user root;"] if os.geteuid() == 0 else []
    process = subprocess.Popen([program, "-c", str(config), "-p", str(root), *user])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def by_curl(url: str, folder: Path) -> None:
    subprocess.run(["curl", "-sS", "-o", folder / NAME, f"{url}/{HOST}/{NAME}"], check=True)


def by_curl_and_sha256sum(url: str, folder: Path) -> None:
    by_curl(url, folder)
    subprocess.run(["sha256sum", folder / NAME], check=True, capture_output=True)


def by_us(algorithm: str) -> Callable[[str, Path], float]:
    async def work(url: str, folder: Path) -> float:
        async with workbench(folder / "data", mirror=url) as bench:
            wanted = order(
                NAME, checksum_algorithm=algorithm, checksum_url=f"https://{HOST}/{algorithm.upper()}"
            )
            began = time.perf_counter()
            done = await bench.finish(wanted)
            took = time.perf_counter() - began
        assert done.published is not None, done.failure
        return took

    def run(url: str, folder: Path) -> float:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return runner.run(work(url, folder))

    return run


def measure(work: Callable[[str, Path], float | None], url: str, root: Path) -> float:
    folder = Path(tempfile.mkdtemp(dir=root))
    try:
        # What an earlier round left dirty is written now, not on somebody else's time.
        os.sync()
        began = time.perf_counter()
        own = work(url, folder)
        return own if own is not None else time.perf_counter() - began
    finally:
        shutil.rmtree(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--size-mib", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", type=Path, help="where to work (default: the temporary directory)")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    ways: dict[str, Callable[[str, Path], float | None]] = {
        "curl": by_curl,
        "curl + sha256sum": by_curl_and_sha256sum,
        "ours, sha256": by_us("sha256"),
        "ours, sha512": by_us("sha512"),
    }
    with tempfile.TemporaryDirectory(dir=chosen.work) as name, nginx(Path(name)) as url:
        publish(Path(name), chosen.size_mib)
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(chosen.rounds):
            for way, work in ways.items():
                times[way].append(measure(work, url, Path(name)))
    report(times, chosen.size_mib)


def report(times: dict[str, list[float]], mib: int) -> None:
    medians = {way: statistics.median(each) for way, each in times.items()}
    for way, median in medians.items():
        spread = f"{min(times[way]):.2f} to {max(times[way]):.2f}"
        ratio = median / medians["curl"]
        print(f"{way:18} {median:6.2f} s ({spread})  {mib / median:6.0f} MiB/s  {ratio:5.2f} x curl")
    ours = medians["ours, sha256"]
    goals = {
        "at most 1.25 x curl": ours <= 1.25 * medians["curl"],
        "less than curl + sha256sum": ours < medians["curl + sha256sum"],
    }
    for goal, met in goals.items():
        print(f"goal: {goal}: {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    main()
