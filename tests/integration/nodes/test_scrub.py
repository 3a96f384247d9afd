"""A copy that rots: found, not used, and fetched again from another node or from the publisher."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.nodes.conftest import BLOB, DIGEST, IMAGES, NODES, Site
from tests.support.mirror import Mirror
from tests.support.rpc import Json, rpc_stream

NAME = "debian-12-generic-amd64.qcow2"
DEBIAN = "cloud.debian.org/images/cloud/bookworm/latest"
SHA512 = hashlib.sha512(BLOB).hexdigest()
BOTH = ("alpha", "beta")


def flip(path: Path) -> None:
    """One bit, as a bad disk would: size, time and inode stay."""
    seen = path.stat()
    path.chmod(0o644)
    with path.open("r+b") as file:
        file.seek(7000)
        [byte] = file.read(1)
        file.seek(7000)
        file.write(bytes([byte ^ 1]))
        file.flush()
        os.fsync(file.fileno())
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))


def verified(site: Site, image: str, *nodes: str) -> dict[str, Json]:
    """What each node found, by its host name."""
    names = {node["id"]: node["hostname"] for node in site.call(f"{NODES}/ListNodes")["nodes"]}
    said = rpc_stream(
        site.control_plane.url,
        f"{IMAGES}/VerifyImage",
        {"image": image, "nodeIds": list(nodes)},
        token=site.control_plane.token,
        timeout=30,
    )
    return {names[s["nodeId"]]: s for s in said if s.get("result")}


def test_a_damaged_copy_comes_again_from_another_node(site: Site) -> None:
    site.give_blob("alpha")
    path = site.give_blob("beta")
    for name in BOTH:
        site.start_node(name)
    image = site.until_image(lambda copies: copies == dict.fromkeys(BOTH, "ready"))
    flip(path)
    found = verified(site, image["id"])
    assert {name: said["result"] for name, said in found.items()} == {"alpha": "whole", "beta": "damaged"}
    assert found["beta"]["errorCode"] == "image.damaged"
    # Nobody asks for it.
    site.until_image(lambda copies: copies == dict.fromkeys(BOTH, "ready") and path.exists())
    assert path.read_bytes() == BLOB
    aside = site.data("beta") / "blobs" / "quarantine" / DIGEST
    assert aside.read_bytes() != BLOB
    assert verified(site, image["id"], "beta")["beta"]["result"] == "whole"
    kinds = [job["kind"] for job in site.call(f"{IMAGES}/ListJobs")["jobs"]]
    assert kinds == ["place"]


def test_the_only_copy_is_no_image_any_more(site: Site) -> None:
    path = site.give_blob("alpha")
    site.start_node("alpha")
    image = site.until_image(lambda copies: copies == {"alpha": "ready"})
    flip(path)
    assert verified(site, image["id"])["alpha"]["result"] == "damaged"
    lost = site.until_image(lambda copies: copies == {"alpha": "damaged"})
    assert (lost["status"]["phase"], lost["status"]["errorCode"]) == ("ERROR", "image.damaged")


@pytest.fixture
def published(tmp_path: Path) -> Iterator[Site]:
    """A site whose publishers are a mirror."""
    (tmp_path / "mirror").mkdir()
    with Mirror(tmp_path / "mirror") as mirror, ExitStack() as stack:
        mirror.put(f"{DEBIAN}/{NAME}", BLOB)
        mirror.put(f"{DEBIAN}/SHA512SUMS", f"{SHA512}  {NAME}\n".encode())
        yield Site(tmp_path, stack, mirror=mirror.base_url)


@pytest.mark.parametrize(
    ("rpc", "asked", "kind"),
    [
        ("DownloadImage", {"catalogId": "debian-12", "architecture": "x86_64"}, "download"),
        ("ImportImage", {"name": "golden", "url": f"https://{DEBIAN}/{NAME}"}, "import"),
    ],
)
def test_the_only_copy_comes_again_from_where_it_came(
    published: Site, rpc: str, asked: Json, kind: str
) -> None:
    site = published
    site.start_node("alpha")
    site.call(f"{IMAGES}/{rpc}", asked)
    image = site.until_image(lambda copies: copies == {"alpha": "ready"})
    path = site.data("alpha") / "blobs" / "sha256" / DIGEST[:2] / DIGEST
    flip(path)
    assert verified(site, image["id"])["alpha"]["result"] == "damaged"
    # The node's inventory may tell of the copy before the job's end does.
    again = site.until("image", lambda i: i["status"]["phase"] == "READY" and path.exists())
    assert (again["id"], site.copies(again)) == (image["id"], {"alpha": "ready"})
    assert path.read_bytes() == BLOB
    assert (site.data("alpha") / "blobs" / "quarantine" / DIGEST).read_bytes() != BLOB
    assert verified(site, image["id"])["alpha"]["result"] == "whole"
    kinds = [job["kind"] for job in site.call(f"{IMAGES}/ListJobs")["jobs"]]
    assert kinds == [kind, kind]
    assert again["status"]["trust"] == image["status"]["trust"]
