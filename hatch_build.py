"""Builds the web UI into the package, so that wheel and sdist carry it and installing them needs no Node."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# Set to build a package without the web UI; the server then says at / how to get it.
SKIP = "LIMIQUANTIX_WITHOUT_WEB"


class WebBuild(BuildHookInterface):
    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        sources, built = root / "web", root / "src" / "image_library" / "web"
        # An sdist carries the built UI and no sources of it.
        if version == "editable" or os.environ.get(SKIP) or not (sources / "package.json").is_file():
            return
        for command in (["npm", "ci", "--no-audit", "--no-fund"], ["npm", "run", "build"]):
            subprocess.run(command, cwd=sources, check=True)
        shutil.rmtree(built, ignore_errors=True)
        shutil.move(sources / "dist", built)
