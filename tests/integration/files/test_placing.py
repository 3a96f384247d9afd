"""``images place`` and ``images evict`` as people type them."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.node_images import Qcow2
from tests.integration.files.conftest import Farm
from tests.integration.files.test_files import DEBIAN, NAME
from tests.support.mirror import Mirror
from tests.support.processes import run_cli

IMAGE = Qcow2().file(3 << 20)


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Mirror]:
    (tmp_path / "mirror").mkdir()
    with Mirror(tmp_path / "mirror") as mirror:
        mirror.put(f"{DEBIAN}/{NAME}", IMAGE)
        mirror.put(f"{DEBIAN}/SHA512SUMS", f"{hashlib.sha512(IMAGE).hexdigest()}  {NAME}\n".encode())
        yield mirror


@pytest.fixture
def pair(farm: Farm, publisher: Mirror) -> Farm:
    farm.mirror = publisher.base_url
    for name in ("one", "two"):
        farm.start_node(name)
    return farm


def images(farm: Farm, *words: str) -> subprocess.CompletedProcess[str]:
    return run_cli(("images", *words), farm.env)


def test_an_image_is_brought_to_nodes_and_taken_away(pair: Farm) -> None:
    placed = images(pair, "place", "debian-12", "--nodes", "one,two", "--concurrency", "1")
    assert placed.returncode == 0, placed.stderr
    assert "debian-12 on one: ready" in placed.stdout
    assert "debian-12 on two: ready" in placed.stdout
    again = images(pair, "place", "debian-12", "--nodes", "all")
    assert (again.returncode, again.stdout.count("present")) == (0, 2)

    evicted = images(pair, "evict", "debian-12", "--nodes", "two", "--yes")
    assert (evicted.returncode, evicted.stdout) == (0, "debian-12 is on one now.\n")
    kept = images(pair, "evict", "debian-12", "--nodes", "one", "--yes")
    assert kept.returncode != 0
    assert "No other node has 'debian-12'." in kept.stderr
    gone = images(pair, "evict", "debian-12", "--nodes", "one", "--last-copy-too", "--yes")
    assert gone.stdout == "debian-12 is on no node now.\n"
    again = images(pair, "place", "debian-12", "--nodes", "two", "--json")
    assert again.returncode == 0, again.stderr
    back = json.loads(again.stdout)
    assert back["jobs"][0]["status"] == "COMPLETED"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("place", "debian-12"), "No node is named."),
        (("place", "debian-12", "--nodes", "elsewhere"), "elsewhere"),
        (("place", "nothing-like-it", "--all"), "nothing-like-it"),
    ],
)
def test_what_cannot_be_meant_is_said(pair: Farm, words: tuple[str, ...], said: str) -> None:
    refused = images(pair, *words)
    assert refused.returncode != 0
    assert said in refused.stderr
    assert "Traceback" not in refused.stderr
