"""Our programs as processes, started as a user starts them and always ended by their process id."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "image_library")


class NotReady(AssertionError):
    """The program ended, or its deadline passed, before its ready line; the message holds what it said."""


def environment(data_dir: Path, *, mirror: str = "", **more: str) -> dict[str, str]:
    """A bare environment: nothing of the developer's own settings, keys or home reaches the program."""
    home = data_dir.parent / "home"
    home.mkdir(mode=0o700, exist_ok=True)
    chosen = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(ROOT / "src"),
        "LIMIQUANTIX_DATA_DIR": str(data_dir),
        "LIMIQUANTIX_ACCEL": "tcg",
    }
    if mirror:
        chosen["LIMIQUANTIX_MIRROR"] = mirror
    return chosen | more


def run_cli(
    args: Sequence[str], env: Mapping[str, str], *, timeout: float = 60, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """One command to its end; the caller looks at returncode, stdout and stderr."""
    return subprocess.run(
        [*COMMAND, *args], env=env, input=stdin, timeout=timeout, capture_output=True, text=True, check=False
    )


@dataclass(kw_only=True)
class Program:
    """A running program of ours. Use it in a with-block: leaving the block ends it, whatever happened."""

    process: subprocess.Popen[str]
    data_dir: Path
    # What the program printed so far, line by line; kept for assertions and failure messages.
    stdout: list[str] = field(default_factory=list[str])
    stderr: list[str] = field(default_factory=list[str])
    ready: dict[str, Any] = field(default_factory=dict[str, Any])
    _lines: queue.SimpleQueue[str | None] = field(default_factory=queue.SimpleQueue[str | None])
    _readers: list[threading.Thread] = field(default_factory=list[threading.Thread])

    @classmethod
    def start(
        cls,
        args: Sequence[str],
        env: Mapping[str, str],
        *,
        timeout: float = 30,
        command: Sequence[str] = COMMAND,
    ) -> Program:
        """Start and wait for {"event":"ready",…} on stdout. Raises NotReady with the program's own words."""
        process = subprocess.Popen(
            [*command, *args],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # Its own session: a signal to it never reaches the guests, nor a Ctrl-C of ours the program.
            start_new_session=True,
        )
        program = cls(process=process, data_dir=Path(env["LIMIQUANTIX_DATA_DIR"]))
        try:
            program._read_output()
            program._await_ready(time.monotonic() + timeout)
        except BaseException:
            program.close()
            raise
        return program

    @property
    def url(self) -> str:
        return str(self.ready["url"])

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def token(self) -> str:
        return (self.data_dir / "token").read_text().strip()

    @property
    def said(self) -> str:
        """All that it printed, for failure messages."""
        return "".join(["--- stdout\n", *self.stdout, "--- stderr\n", *self.stderr])

    def kill9(self) -> None:
        """End it as a crash would, and wait until it is gone."""
        self.process.kill()
        self.wait()

    def terminate(self) -> None:
        """Ask it to end, as a service manager does; wait() tells how it went."""
        self.process.send_signal(signal.SIGTERM)

    def wait(self, timeout: float = 30) -> int:
        """Its exit status, when it has ended. Raises subprocess.TimeoutExpired."""
        return self.process.wait(timeout)

    def close(self) -> None:
        if self.process.poll() is None:
            self.terminate()
            try:
                self.wait(15)
            except subprocess.TimeoutExpired:
                self.kill9()
        # A guest that outlives the program may hold its pipes open: then the readers stay, as daemons.
        for reader in self._readers:
            reader.join(timeout=1)
        for pipe, reader in zip((self.process.stdout, self.process.stderr), self._readers, strict=False):
            if pipe is not None and not reader.is_alive():
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_output(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        for pipe, kept, lines in (
            (self.process.stdout, self.stdout, self._lines),
            (self.process.stderr, self.stderr, None),
        ):
            reader = threading.Thread(target=_keep, args=(pipe, kept, lines), name="output", daemon=True)
            reader.start()
            self._readers.append(reader)

    def _await_ready(self, deadline: float) -> None:
        while True:
            try:
                line = self._lines.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise NotReady(f"no ready line in time\n{self.said}") from None
            if line is None:
                self._readers[1].join(timeout=5)
                raise NotReady(f"ended with {self.wait()} before it was ready\n{self.said}")
            with contextlib.suppress(json.JSONDecodeError):
                said = json.loads(line)
                if isinstance(said, dict) and said.get("event") == "ready":  # pyright: ignore[reportUnknownMemberType]
                    self.ready = said
                    return


def _keep(pipe: IO[str], kept: list[str], lines: queue.SimpleQueue[str | None] | None) -> None:
    for line in pipe:
        kept.append(line)
        if lines is not None:
            lines.put(line)
    if lines is not None:
        lines.put(None)


def processes_of(data_dir: Path) -> Iterator[int]:
    """Ids of the processes that work for a data directory: guests, and servers started in the background."""
    marks = (f"{data_dir}/".encode(), f"{data_dir}\0".encode())
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        with contextlib.suppress(OSError):
            words = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes() + b"\0"
            if any(mark in words for mark in marks):
                yield int(entry.name)


def end_processes_of(data_dir: Path) -> None:
    """End what a test left running for its data directory, and wait until it is gone."""
    for pid in processes_of(data_dir):
        with contextlib.suppress(ProcessLookupError):
            kill(pid)


def kill(pid: int) -> None:
    """End a process as a crash would, and wait until it is gone. Raises ProcessLookupError."""
    handle = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(handle, signal.SIGKILL)
        # A process's handle is readable when the process has ended (pidfd_open(2)).
        select.select([handle], [], [], 10)
    finally:
        os.close(handle)
