"""Seeds as they are written, one golden set a family of distributions, and the rule for raw documents."""

from __future__ import annotations

from dataclasses import replace
from email import message_from_string
from pathlib import Path
from typing import Any

import pytest
import yaml

from image_library.catalog.loader import load_catalog
from image_library.controlplane.adapters.yaml_documents import YamlDocuments
from image_library.controlplane.services.provisioning import Guest, Seed, SeedRenderer
from image_library.domain.cloud_init import Provisioning
from image_library.domain.errors import InvalidUserData
from image_library.domain.network_config import (
    Addressing,
    Card,
    Network,
    StaticAddress,
    parse_static_address,
)

GOLDEN = Path(__file__).parents[3] / "data" / "cloud_init"
CATALOG = load_catalog()
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
RENDERER = SeedRenderer(YamlDocuments())


def network(*addresses: StaticAddress) -> Network:
    card = Card(name="eth0", mac_address="52:54:00:12:34:56", addressing=Addressing(addresses=addresses))
    return Network(cards=(card,))


def guest(image: str = "debian-12", **changes: Any) -> Guest:
    entry = CATALOG.find(image)
    assert entry is not None
    one = Guest(
        vm_name="web-1",
        instance_id="i-7c9e6679-7425-40de-944b-e07fc1f90ae7",
        image_user=entry.os.default_user,
        traits=entry.traits,
        network=network(),
    )
    return replace(one, **changes)


def render(asked: Provisioning, image: str = "debian-12", **changes: Any) -> Seed:
    return RENDERER.render(asked, guest(image, **changes))


def user_data(asked: Provisioning, image: str = "debian-12") -> dict[str, Any]:
    text = render(asked, image).documents.user_data
    assert text.startswith("#cloud-config\n")
    return yaml.safe_load(text)


FULL = Provisioning(
    hostname="web.example.org",
    ssh_authorized_keys=(f"{KEY} ana@laptop: #1",),
    packages=("nginx", "1e3"),
    run_commands=("echo 'a: b' > /etc/motd # {{ no }}", "set -e\nfor n in 1 2; do\n  echo $n\ndone\n"),
)


@pytest.mark.parametrize("image", ["debian-12", "rocky-9", "opensuse-leap-15.5", "alpine-3.24"])
@pytest.mark.parametrize("document", ["user-data", "meta-data", "network-config"])
def test_the_documents_are_those_that_were_reviewed(image: str, document: str) -> None:
    documents = render(FULL, image).documents
    assert getattr(documents, document.replace("-", "_")) == (GOLDEN / image / document).read_text()


def test_the_user_to_log_in_as_is_told() -> None:
    assert render(Provisioning()).user == "debian"
    assert render(Provisioning(), "opensuse-leap-15.5").user == "root"
    assert render(Provisioning(default_user="ana")).user == "ana"


def test_every_guest_has_its_own_instance_id() -> None:
    first, second = (render(Provisioning(), instance_id=i).documents.meta_data for i in ("i-1", "i-2"))
    assert (yaml.safe_load(first)["instance-id"], yaml.safe_load(second)["instance-id"]) == ("i-1", "i-2")


def test_a_static_address_is_on_the_seed() -> None:
    address = parse_static_address(address="192.0.2.10/24", gateway="192.0.2.1")
    card = yaml.safe_load(render(Provisioning(), network=network(address)).documents.network_config)
    assert card["ethernets"]["eth0"]["addresses"] == ["192.0.2.10/24"]


def test_raw_user_data_alone_is_used_as_it_is() -> None:
    raw = "## template: jinja\n#cloud-config\nhostname: {{ ds.name }}\n  oddly: [indented"
    seed = render(Provisioning(user_data=raw, allow_templates=True))
    assert seed.documents.user_data == raw
    assert seed.user == "debian"
    assert yaml.safe_load(seed.documents.meta_data)["local-hostname"] == "web-1"


def test_raw_user_data_and_a_field_become_two_parts() -> None:
    raw = "#cloud-config\npackages: [htop]\nssh_pwauth: true\n"
    seed = render(Provisioning(user_data=raw, ssh_authorized_keys=(KEY,)))
    ours, theirs = message_from_string(seed.documents.user_data).get_payload()
    assert theirs.get_payload() == raw  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]
    document = yaml.safe_load(ours.get_payload())  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue, reportArgumentType]
    assert document["users"][0]["ssh_authorized_keys"] == [KEY]
    assert document["packages"] == ["qemu-guest-agent"]
    assert "ssh_pwauth" not in document


def test_their_cloud_config_must_be_readable_when_it_is_combined() -> None:
    with pytest.raises(InvalidUserData, match="line 2"):
        render(Provisioning(user_data="#cloud-config\na: b: c\n", hostname="web"))


def test_given_meta_data_keeps_its_form_when_it_names_an_instance() -> None:
    given_text = "# mine\ninstance-id: x\n"
    assert render(Provisioning(meta_data=given_text)).documents.meta_data == given_text


def test_given_meta_data_gets_an_instance_id_when_it_has_none() -> None:
    text = render(Provisioning(meta_data="public-keys: [a]\n"), instance_id="i-9").documents.meta_data
    assert yaml.safe_load(text) == {"public-keys": ["a"], "instance-id": "i-9"}


@pytest.mark.parametrize("field", ["meta_data", "network_config"])
def test_given_documents_must_be_mappings(field: str) -> None:
    with pytest.raises(InvalidUserData, match=field):
        render(replace(Provisioning(), **{field: "- a\n"}))


def test_a_given_network_and_vendor_data_are_used_as_they_are() -> None:
    given_text = "version: 1\nconfig: []\n"
    documents = render(Provisioning(network_config=given_text, vendor_data="#!/bin/sh\n")).documents
    assert (documents.network_config, documents.vendor_data) == (given_text, "#!/bin/sh\n")


@pytest.mark.parametrize("field", ["user_data", "meta_data", "network_config", "vendor_data"])
def test_no_document_may_be_larger_than_a_seed_takes(field: str) -> None:
    with pytest.raises(InvalidUserData, match="262144"):
        render(replace(Provisioning(), **{field: "#" * (256 * 1024 + 1)}))


def test_what_is_rendered_may_not_be_larger_either() -> None:
    with pytest.raises(InvalidUserData, match="262144"):
        render(Provisioning(run_commands=("x" * 32000,) * 10))


def test_a_seed_does_not_print() -> None:
    seed = render(Provisioning(run_commands=("echo canary",), vendor_data="canary"))
    assert "canary" not in repr(seed)
