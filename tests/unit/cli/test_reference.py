"""The generated pages are current, and starting up stays cheap."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from image_library.cli.reference import PAGES

ROOT = Path(__file__).parents[3]
HEAVY = ("grpc", "sqlalchemy", "uvicorn", "aiohttp", "protobuf", "connectrpc", "cryptography", "structlog")


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_current(name: str) -> None:
    written = (ROOT / "docs" / name).read_text()
    assert written == PAGES[name](), "run: python -m image_library.cli.reference docs"


def loaded_by(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(' '.join(sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.partition(".")[0] for name in ended.stdout.split()}


def test_the_version_is_told_without_building_the_command_tree() -> None:
    code = "from image_library.cli.__main__ import main\ntry: main(['--version'])\nexcept SystemExit: pass"
    assert loaded_by(code).isdisjoint({*HEAVY, "typer", "rich"})


def test_building_the_command_tree_imports_no_rpc_and_no_server() -> None:
    assert loaded_by("from image_library.cli.app import build\nbuild()").isdisjoint(HEAVY)
