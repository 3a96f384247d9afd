"""What a node finds inside an image reaches whoever asks for the image, beside what is declared."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.files.conftest import Farm
from tests.integration.files.test_files import DEBIAN, NAME, call, ended
from tests.support import guest_images
from tests.support.mirror import Mirror
from tests.support.processes import run_cli

USER = "users: [default]\nsystem_info: {default_user: {name: admin}}\n"


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """It says Debian 12, is for aarch64, and its user is not the catalog's."""
    files = {**guest_images.SYSTEM, "etc/cloud/cloud.cfg": USER}
    root = guest_images.ext(tmp_path / "root", guest_images.tree(tmp_path / "tree", files))
    return guest_images.qcow2(guest_images.disk(tmp_path / "disk", "gpt", ("L", root)))


@pytest.fixture
def publisher(tmp_path: Path, disk: Path) -> Iterator[Mirror]:
    (tmp_path / "mirror").mkdir()
    with Mirror(tmp_path / "mirror") as mirror:
        mirror.put(f"{DEBIAN}/{NAME}", disk.read_bytes())
        digest = hashlib.sha512(disk.read_bytes()).hexdigest()
        mirror.put(f"{DEBIAN}/SHA512SUMS", f"{digest}  {NAME}\n".encode())
        yield mirror


def test_found_facts_stand_beside_declared_ones(farm: Farm, publisher: Mirror) -> None:
    farm.mirror = publisher.base_url
    farm.start_node("one")
    job = call(farm.control_plane, "DownloadImage", {"catalogId": "debian-12"})["jobId"]
    assert ended(farm.control_plane, job)["status"] == "COMPLETED"
    status = call(farm.control_plane, "GetImage", {"id": "debian-12"})["status"]
    assert status["found"]["prettyName"] == "Debian GNU/Linux 12 (bookworm)"
    assert status["found"]["datasources"] == ["NoCloud", "None"]
    differences = {d["field"]: (d["declared"], d["found"]) for d in status["differences"]}
    assert differences == {"architecture": ("x86_64", "aarch64"), "default_user": ("debian", "admin")}
    shown = run_cli(("images", "show", "debian-12"), farm.env)
    assert "Log in as 'admin', not as 'debian'" in shown.stdout
    assert "Debian GNU/Linux 12 (bookworm), aarch64, user admin, cloud-init, guest agent" in shown.stdout


def test_an_operators_own_file_is_looked_into_when_it_is_adopted(farm: Farm, disk: Path) -> None:
    node = farm.start_node("one")
    (node.data_dir / "cloud-images" / "golden.qcow2").write_bytes(disk.read_bytes())
    call(farm.control_plane, "ScanLocalImages", {})
    assert "found" not in call(farm.control_plane, "GetImage", {"id": "golden"})["status"]
    job = call(farm.control_plane, "AdoptImage", {"image": "golden"})["jobId"]
    assert ended(farm.control_plane, job)["status"] == "COMPLETED"
    image = call(farm.control_plane, "GetImage", {"id": "golden"})
    assert image["status"]["found"]["defaultUser"] == "admin"
    assert "differences" not in image["status"]


def test_what_is_no_disk_with_a_system_says_why(farm: Farm) -> None:
    node = farm.start_node("one")
    (node.data_dir / "cloud-images" / "empty.raw").write_bytes(bytes(4 << 20))
    call(farm.control_plane, "ScanLocalImages", {})
    job = call(farm.control_plane, "AdoptImage", {"image": "empty"})["jobId"]
    assert ended(farm.control_plane, job)["status"] == "COMPLETED"
    found = call(farm.control_plane, "GetImage", {"id": "empty"})["status"]["found"]
    assert not found.get("read")
    assert found["reason"]
