"""The web UI's own checks, run where there is a Node, and what its build promises."""

from __future__ import annotations

import gzip
import json
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WEB = ROOT / "web"
BUILT = ROOT / "src" / "image_library" / "web"
# What a first visit of the Image Library may load, packed.
MOST_KIB = 250


def run(*command: str) -> None:
    env = os.environ | {"PATH": f"{ROOT / '.venv' / 'node'}:{os.environ.get('PATH', '')}", "CI": "1"}
    done = subprocess.run(command, cwd=WEB, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


@pytest.fixture(autouse=True)
def packages() -> None:
    if not (WEB / "node_modules").is_dir():
        pytest.skip("the packages of web/ are not installed; ./test does that")


def test_the_linter_finds_nothing() -> None:
    run("npm", "run", "--silent", "lint")


def test_the_types_are_right() -> None:
    run("npm", "run", "--silent", "types")


def test_its_own_tests_pass() -> None:
    run("npm", "run", "--silent", "test")


def test_the_lock_file_names_no_address() -> None:
    text = (WEB / "package-lock.json").read_text()
    assert "resolved" not in text
    assert all(package.get("integrity") for name, package in json.loads(text)["packages"].items() if name)


def imported(script: Path) -> set[Path]:
    """The scripts that one needs before it runs, and those that they need."""
    found, waiting = set[Path](), [script]
    while waiting:
        here = waiting.pop()
        if here not in found:
            found.add(here)
            names = re.findall(r'(?:from|import)\s*"\./([\w.-]+\.js)"', here.read_text())
            waiting += [here.with_name(name) for name in names]
    return found


def test_the_first_load_of_the_image_library_is_light() -> None:
    entry = re.search(r"/assets/(index-[\w-]+\.js)", (BUILT / "index.html").read_text())
    assert entry is not None
    [page] = (BUILT / "assets").glob("ImageLibrary-*.js")
    loaded = imported(BUILT / "assets" / entry[1]) | imported(page)
    kib = sum(len(gzip.compress(path.read_bytes(), 9)) for path in loaded) / 1024
    assert 100 < kib <= MOST_KIB


def test_nothing_is_inline_and_nothing_is_from_elsewhere() -> None:
    html = (BUILT / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bon\w+=|style=", html)
    assert re.findall(r'(?:src|href)="(?!/)', html) == []
    for css in (BUILT / "assets").glob("*.css"):
        assert not re.search(r"url\((?![\"']?(?:/assets/|data:))", css.read_text()), css.name


def test_wheel_and_sdist_carry_the_pages(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(tmp_path)]
    env = os.environ | {"LIMIQUANTIX_WITHOUT_WEB": "1"}
    subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True)
    [wheel], [sdist] = tmp_path.glob("*.whl"), tmp_path.glob("*.tar.gz")
    inside = zipfile.ZipFile(wheel).namelist()
    assert "image_library/web/index.html" in inside
    with tarfile.open(sdist) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    assert "src/image_library/web/index.html" in names
    # Installing it builds nothing.
    assert "web/package.json" not in names
