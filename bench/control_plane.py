"""A control plane as a process of its own, whose CPU time and memory are measured. Used by the benchmarks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


class Server:
    """A control plane as a process."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._start()

    def _start(self) -> None:
        words = ["controlplane", "--json", "--data-dir", str(self._data_dir), "--listen", "127.0.0.1:0"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "image_library", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
            text=True,
        )
        assert self._process.stdout is not None
        self.url: str = json.loads(self._process.stdout.readline())["url"]
        self.token = (self._data_dir / "token").read_text().strip()
        self.join_token = (self._data_dir / "join-token").read_text().strip()

    def restart(self) -> None:
        self.stop()
        self._start()

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=60)

    def cpu(self) -> float:
        """Seconds of CPU that it has used."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_mib(self) -> float:
        pages = int(Path(f"/proc/{self._process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
