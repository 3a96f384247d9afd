"""Nodes that die, freeze, lose their disks and speak out of turn: what is known of them stays true."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.integration.nodes.conftest import IMAGES, NODES, Site
from tests.support.processes import NotReady
from tests.support.rpc import Json, RpcError

READY, AWAY, ILL = "READY", "OFFLINE", "NOT_READY"
THREE = ("alpha", "beta", "gamma")
OWN = "golden.qcow2"


@contextmanager
def mounted_over(folder: Path) -> Generator[None]:
    """An empty file system on the folder; skips where none may be mounted."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "empty", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def facts(node: Json) -> tuple[str, int]:
    return node["facts"]["inventoryEpoch"], int(node["facts"]["inventorySequence"])


@pytest.fixture
def three(site: Site) -> Site:
    for name in THREE:
        site.give_blob(name)
        site.start_node(name)
    return site


def test_an_image_on_three_nodes_is_one_image_with_three_copies(three: Site) -> None:
    image = three.until_image(lambda copies: copies == dict.fromkeys(THREE, "ready"))
    listed = three.call(f"{IMAGES}/ListImages")
    assert [i["id"] for i in listed["images"]] == [image["id"]]
    counts = [n["status"]["imageCount"] for n in three.call(f"{NODES}/ListNodes")["nodes"]]
    assert counts == [1, 1, 1]


def test_a_node_that_is_killed_is_offline_and_comes_back_by_itself(site: Site) -> None:
    site.give_file("alpha", OWN)
    program = site.start_node("alpha")
    site.until_image(lambda copies: copies == {"alpha": "ready"})
    epoch, sequence = facts(site.node("alpha"))
    program.kill9()
    site.until_node("alpha", AWAY)
    # What a node has is not forgotten because it is away.
    assert site.copies(site.image("golden")) == {"alpha": "ready"}
    (site.data("alpha") / "cloud-images" / OWN).unlink()
    site.start_node("alpha")
    site.until_node("alpha", READY)
    site.until_image(lambda copies: copies == {"alpha": "unavailable"})
    again = facts(site.node("alpha"))
    assert again[0] == epoch
    assert again[1] > sequence


def test_a_frozen_node_is_offline_and_tells_everything_when_it_goes_on(site: Site) -> None:
    program = site.start_node("alpha")
    site.until_node("alpha", READY)
    program.process.send_signal(signal.SIGSTOP)
    site.until_node("alpha", AWAY)
    # Nobody tells the node of this file: that it is asked for everything brings it to light.
    site.give_file("alpha", OWN)
    program.process.send_signal(signal.SIGCONT)
    site.until_node("alpha", READY)
    site.until_image(lambda copies: copies == {"alpha": "ready"})


def test_a_control_plane_that_is_killed_finds_everybody_again(three: Site) -> None:
    image = three.until_image(lambda copies: len(copies) == 3)
    before = {name: facts(three.node(name)) for name in THREE}
    three.control_plane.kill9()
    # What is put there meanwhile is told when it is back.
    three.give_file("beta", OWN)
    three.restart_control_plane()
    three.until_image(lambda copies: copies == {"beta": "ready"})
    for name in THREE:
        three.until_node(name, READY)
    assert three.copies(three.image(image["id"])) == dict.fromkeys(THREE, "ready")
    assert all(facts(three.node(name))[0] == epoch for name, (epoch, _) in before.items())


def test_late_and_repeated_reports_change_nothing(site: Site) -> None:
    site.give_file("alpha", OWN)
    site.start_node("alpha")
    site.until_image(lambda copies: copies == {"alpha": "ready"})
    node = site.node("alpha")
    epoch, sequence = facts(node)
    empty = {"nodeId": node["id"], "inventoryComplete": True, "epoch": epoch}
    for number in range(sequence + 1):
        site.call(f"{IMAGES}/ScanLocalImages", empty | {"sequence": str(number)}, token=site.join_token)
    assert site.copies(site.image("golden")) == {"alpha": "ready"}
    # One that is newer is believed.
    site.call(f"{IMAGES}/ScanLocalImages", empty | {"sequence": str(sequence + 1)}, token=site.join_token)
    assert site.copies(site.image("golden")) == {"alpha": "unavailable"}


def test_a_second_node_with_the_same_identity_is_refused(site: Site) -> None:
    site.start_node("alpha")
    node = site.node("alpha")
    copied = {"nodeId": node["id"], "hostname": "copy", "agentEndpoint": "127.0.0.1:9"}
    with pytest.raises(RpcError) as refused:
        site.call(f"{NODES}/RegisterNode", copied, token=site.join_token)
    assert refused.value.code == "already_exists"
    assert site.node("alpha")["facts"]["agentEndpoint"] == node["facts"]["agentEndpoint"]


def test_a_node_that_loses_its_folder_says_so_and_nothing_is_given_up(site: Site) -> None:
    site.give_file("alpha", OWN)
    site.start_node("alpha")
    site.until_image(lambda copies: copies == {"alpha": "ready"})
    folder, aside = site.data("alpha") / "cloud-images", site.root / "aside"
    folder.rename(aside)
    node = site.until_node("alpha", ILL)
    assert f"{folder} is not the directory" in node["status"]["errorMessage"]
    # An empty one in its place is no better.
    folder.mkdir()
    with pytest.raises(RpcError) as refused:
        site.call(f"{IMAGES}/ScanLocalImages", {"nodeId": "alpha"})
    assert "is not the directory" in refused.value.message
    assert site.copies(site.image("golden")) == {"alpha": "ready"}
    folder.rmdir()
    aside.rename(folder)
    assert "errorMessage" not in site.until_node("alpha", READY)["status"]
    assert site.copies(site.image("golden")) == {"alpha": "ready"}


def test_a_store_that_is_lost_for_good_is_given_up_on_purpose(site: Site) -> None:
    site.give_blob("alpha")
    program = site.start_node("alpha")
    site.until_image(lambda copies: copies == {"alpha": "ready"})
    blobs = site.data("alpha") / "blobs"
    # At once, as a disk goes: file by file each would truly be gone.
    blobs.rename(site.root / "lost")
    (blobs / "sha256").mkdir(parents=True)
    node = site.until_node("alpha", ILL)
    assert "--accept-store" in node["status"]["errorMessage"]
    program.close()
    with pytest.raises(NotReady, match="is not the directory that this node knows"):
        site.start_node("alpha")
    assert site.until_image(bool)["status"]["placements"][0]["state"] == "ready"
    accepted = site.start_node("alpha", "--accept-store")
    site.until_image(lambda copies: copies == {"alpha": "unavailable"})
    site.until_node("alpha", READY)
    assert site.node("alpha")["facts"]["storeId"] != node["facts"]["storeId"]
    # It was for one start only.
    accepted.close()
    site.start_node("alpha")
    assert site.node("alpha")["status"]["phase"] == READY


def test_an_empty_file_system_over_the_folder_gives_nothing_up(site: Site) -> None:
    site.give_file("alpha", OWN)
    site.start_node("alpha")
    site.until_image(lambda copies: copies == {"alpha": "ready"})
    folder = site.data("alpha") / "cloud-images"
    with mounted_over(folder):
        site.until_node("alpha", ILL)
        assert site.copies(site.image("golden")) == {"alpha": "ready"}
    site.until_node("alpha", READY)
    assert site.copies(site.image("golden")) == {"alpha": "ready"}
