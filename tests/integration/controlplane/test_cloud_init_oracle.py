"""Debian's own cloud-init judges our documents: its schema, its reading of the network, and its merging."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from image_library.catalog.loader import load_catalog
from image_library.controlplane.adapters.yaml_documents import YamlDocuments
from image_library.controlplane.services.provisioning import Guest, SeedRenderer
from image_library.domain.cloud_init import Provisioning
from image_library.domain.network_config import (
    Addressing,
    Card,
    Network,
    StaticAddress,
    parse_static_address,
)
from image_library.domain.vm import SeedDocuments

pytestmark = pytest.mark.skipif(
    shutil.which("cloud-init") is None, reason="the cloud-init program is not installed"
)

CATALOG = load_catalog()
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
# Debian's cloud-init belongs to Debian's Python, not to ours.
PYTHON = "/usr/bin/python3"
MERGE = """
import json, logging, sys
logging.disable(logging.CRITICAL)
from cloudinit.user_data import UserDataProcessor
from cloudinit.handlers.cloud_config import CloudConfigPartHandler
class Paths:
    def __getattr__(self, name):
        return lambda *_: "/nowhere"
paths = Paths()
processed = UserDataProcessor(paths).process(open(sys.argv[1], "rb").read())
handler = CloudConfigPartHandler(paths)
kinds = []
for part in processed.walk():
    if part.is_multipart():
        continue
    kinds.append(part.get_content_type())
    if part.get_content_type() == "text/cloud-config":
        text = part.get_payload(decode=True).decode()
        handler.handle_part(None, "text/cloud-config", "x", text, "always", dict(part.items()))
print(json.dumps({"kinds": kinds, "merged": handler.cloud_buf}))
"""


def network(*addresses: StaticAddress) -> Network:
    card = Card(name="eth0", mac_address="52:54:00:12:34:56", addressing=Addressing(addresses=addresses))
    return Network(cards=(card,))


def seed(asked: Provisioning, image: str = "debian-12", **changes: Any) -> SeedDocuments:
    entry = CATALOG.find(image)
    assert entry is not None
    guest = Guest(
        vm_name="web-1",
        instance_id="i-1",
        image_user=entry.os.default_user,
        traits=entry.traits,
        network=network(),
    )
    guest = replace(guest, **changes)
    return SeedRenderer(YamlDocuments()).render(asked, guest).documents


FULL = Provisioning(
    hostname="web.example.org",
    ssh_authorized_keys=(KEY,),
    packages=("nginx", "vim=2:9.0"),
    run_commands=("echo 'a: b' # {{ x }}", "for n in 1 2; do\n  echo $n\ndone\n", "\u2028 no"),
)


@pytest.mark.parametrize("image", ["debian-12", "rocky-9", "opensuse-leap-15.5", "alpine-3.24"])
def test_cloud_inits_schema_takes_the_user_data_of_every_family(image: str, tmp_path: Path) -> None:
    document = tmp_path / "user-data"
    document.write_text(seed(FULL, image).user_data)
    judged = subprocess.run(
        ["cloud-init", "schema", "-c", document], capture_output=True, text=True, check=False
    )
    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert "deprecated" not in judged.stdout.lower()


def test_the_schema_refuses_what_is_wrong(tmp_path: Path) -> None:
    document = tmp_path / "user-data"
    document.write_text("#cloud-config\nusers: 7\nssh_pwauth: {}\n")
    judged = subprocess.run(["cloud-init", "schema", "-c", document], capture_output=True, check=False)
    assert judged.returncode != 0


@pytest.mark.parametrize("kind", ["eni", "netplan", "networkd", "sysconfig"])
def test_cloud_init_renders_our_network_for_every_kind_of_system(kind: str, tmp_path: Path) -> None:
    address = parse_static_address(address="192.0.2.10/24", gateway="192.0.2.1", dns_servers=("192.0.2.53",))
    rendered = convert(tmp_path, kind, seed(Provisioning(), network=network(address)).network_config)
    for wanted in ("192.0.2.10", "192.0.2.1", "192.0.2.53", "52:54:00:12:34:56"):
        assert wanted in rendered or (wanted.startswith("52") and kind == "eni")
    assert "dhcp" not in rendered.lower().replace("dhcp4: false", "").replace("dhcp=no", "")


@pytest.mark.parametrize("kind", ["eni", "netplan", "networkd", "sysconfig"])
def test_cloud_init_renders_dhcp_for_every_kind_of_system(kind: str, tmp_path: Path) -> None:
    assert "dhcp" in convert(tmp_path, kind, seed(Provisioning()).network_config).lower()


def convert(folder: Path, kind: str, network: str) -> str:
    (folder / "network").write_text(network)
    given = ["-p", folder / "network", "-k", "yaml", "-d", folder / "out", "-m", "eth0,52:54:00:12:34:56"]
    distribution = "rhel" if kind == "sysconfig" else "debian"
    subprocess.run(
        ["cloud-init", "devel", "net-convert", *given, "-D", distribution, "-O", kind],
        check=True,
        capture_output=True,
    )
    files = [f for f in (folder / "out").rglob("*") if f.is_file()]
    return "\n".join(f.read_text() for f in files)


def merged(tmp_path: Path, theirs: str) -> dict[str, Any]:
    document = tmp_path / "user-data"
    document.write_text(seed(Provisioning(user_data=theirs, ssh_authorized_keys=(KEY,))).user_data)
    done = subprocess.run([PYTHON, "-c", MERGE, document], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_lists_append_and_what_the_caller_sets_wins(tmp_path: Path) -> None:
    theirs = {
        "packages": ["htop"],
        "runcmd": ["echo theirs"],
        "users": ["default", {"name": "bob"}],
        "hostname": "theirs",
        "ssh_pwauth": True,
        "package_update": False,
        "write_files": [{"path": "/x"}],
        "growpart": {"mode": "off"},
    }
    result = merged(tmp_path, "#cloud-config\n" + yaml.safe_dump(theirs))
    document = result["merged"]
    assert result["kinds"] == ["text/cloud-config", "text/cloud-config"]
    assert document["packages"] == ["qemu-guest-agent", "htop"]
    assert document["runcmd"][-1] == "echo theirs"
    assert [u if isinstance(u, str) else u["name"] for u in document["users"]] == ["debian", "default", "bob"]
    assert document["users"][0]["ssh_authorized_keys"] == [KEY]
    # Ours beside it would win on Enterprise Linux.
    assert (document["hostname"], document.get("fqdn")) == ("theirs", None)
    assert (document["ssh_pwauth"], document["package_update"]) == (True, False)
    assert document["growpart"] == {"mode": "off"}
    assert document["write_files"] == [{"path": "/x"}]


def test_a_script_stays_a_script_beside_our_configuration(tmp_path: Path) -> None:
    result = merged(tmp_path, "#!/bin/sh\necho hello\n")
    assert result["kinds"] == ["text/cloud-config", "text/x-shellscript"]
    assert result["merged"]["users"][0]["name"] == "debian"


def test_the_parts_of_a_multipart_document_are_all_seen(tmp_path: Path) -> None:
    inner = (
        'Content-Type: multipart/mixed; boundary="inner"\nMIME-Version: 1.0\n\n'
        "--inner\nContent-Type: text/cloud-config\n\n#cloud-config\npackages: [htop]\nssh_pwauth: true\n"
        "--inner\nContent-Type: text/x-shellscript\n\n#!/bin/sh\necho ü\n--inner--\n"
    )
    result = merged(tmp_path, inner)
    assert result["kinds"] == ["text/cloud-config", "text/cloud-config", "text/x-shellscript"]
    assert result["merged"]["packages"] == ["qemu-guest-agent", "htop"]
    assert result["merged"]["ssh_pwauth"] is True


def test_a_merge_how_of_the_callers_own_goes_before_ours(tmp_path: Path) -> None:
    theirs = "#cloud-config\nmerge_how: 'list(replace)+dict(replace)+str()'\npackages: [htop]\n"
    assert merged(tmp_path, theirs)["merged"]["packages"] == ["htop"]
