"""A control plane and nodes of their own, as programs on loopback."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.processes import COMMAND, Program, environment

CONTROL_PLANE = ("controlplane", "--json", "--listen", "127.0.0.1:0")


@dataclass
class Farm:
    """Several machines in one: a control plane, and nodes that join it."""

    root: Path
    stack: ExitStack
    mirror: str = ""

    def __post_init__(self) -> None:
        self.env = self._environment("control-plane")
        self.nodes: dict[str, Program] = {}
        self.start_control_plane()

    def start_control_plane(self) -> None:
        """Start it, for the first time or again, then on another port."""
        self.control_plane = self.stack.enter_context(Program.start(CONTROL_PLANE, self.env))

    def start_node(self, name: str, *options: str, through: str = "", inside: Sequence[str] = ()) -> Program:
        """Start it, for the first time or again; it is registered when this returns.

        ``through`` is where it finds the control plane, if not where that is; ``inside`` a program that
        becomes it.
        """
        env = self._environment(name) | {"LIMIQUANTIX_HOSTNAME": name}
        token = str(self.root / "control-plane" / "data" / "join-token")
        where = ("--control-plane", through or self.control_plane.url, "--join-token-file", token)
        program = Program.start(("node", "--json", *where, *options), env, command=(*inside, *COMMAND))
        self.nodes[name] = self.stack.enter_context(program)
        return program

    def data(self, name: str) -> Path:
        return self.root / name / "data"

    def _environment(self, name: str) -> dict[str, str]:
        (self.root / name).mkdir(exist_ok=True)
        more = {"LIMIQUANTIX_ALLOW_SOURCES": "127.0.0.0/8"}
        return environment(self.data(name), mirror=self.mirror, **more)


@pytest.fixture
def farm(tmp_path: Path) -> Iterator[Farm]:
    with ExitStack() as stack:
        yield Farm(tmp_path, stack)
