"""Windows reads our seeds: Cloudbase-Init by its own services, and Setup's answer file is where it looks."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pycdlib.pycdlib import PyCdlib

from image_library.catalog.loader import load_catalog
from image_library.controlplane.adapters.xml_answer_files import XmlAnswerFiles
from image_library.controlplane.adapters.yaml_documents import YamlDocuments
from image_library.controlplane.services.provisioning import Guest, SeedRenderer
from image_library.controlplane.services.windows_answers import AnswerFileRenderer
from image_library.domain.cloud_init import Provisioning
from image_library.domain.errors import InvalidGuestSetting, InvalidUserData
from image_library.domain.guest_traits import guest_facts
from image_library.domain.network_wish import (
    AddressingWish,
    AddressWish,
    Dhcp,
    NetworkWish,
    NicWish,
    network_of,
)
from image_library.domain.os_info import OsFamily, OsInfo
from image_library.domain.secret import Secret
from image_library.domain.vm import Datasource, SeedDocuments
from image_library.domain.windows.answers import WindowsWish
from image_library.domain.windows.unattend import NAMESPACE
from image_library.node.adapters.seed_iso import SeedIso
from tests.support.processes import ROOT

MAC = "52:54:00:00:00:07"
WINDOWS = OsInfo(family=OsFamily.WINDOWS, distribution="windows", version="2022", architecture="x86_64")
NETWORK = NetworkWish(
    nics=(
        NicWish(
            mac_address=MAC,
            addressing=AddressingWish(
                dhcp4=Dhcp.OFF, addresses=(AddressWish(address="10.0.0.5/24", gateway="10.0.0.1"),)
            ),
        ),
    )
)


def seed_iso(documents: SeedDocuments, folder: Path) -> Path:
    asyncio.run(SeedIso().write(str(folder), documents))
    return folder / "seed.iso"


def cloudbase(*words: str) -> Any:
    command = [sys.executable, "-m", "tests.support.cloudbase", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def for_cloudbase(asked: Provisioning, datasource: Datasource) -> SeedDocuments:
    traits, user = guest_facts(WINDOWS, load_catalog())
    guest = Guest(
        vm_name="win-1",
        instance_id="i-7",
        image_user=user,
        traits=traits,
        network=network_of(NETWORK, "vm-1"),
        datasource=datasource,
    )
    return SeedRenderer(YamlDocuments()).render(asked, guest).documents


@pytest.mark.parametrize("datasource", [Datasource.NOCLOUD, Datasource.CONFIG_DRIVE])
def test_cloudbase_init_reads_what_we_write(datasource: Datasource, tmp_path: Path) -> None:
    script = "#ps1_sysnative\nWrite-Output hello\n"
    iso = seed_iso(for_cloudbase(Provisioning(user_data=script), datasource), tmp_path)
    found = cloudbase(datasource.value, str(iso))
    assert found["loaded"]
    assert (found["instance_id"], found["hostname"], found["user_data"]) == ("i-7", "win-1", script)
    assert (found["links"], found["addresses"]) == ([MAC], ["10.0.0.5/24"])


def test_what_we_ask_of_windows_by_cloud_config_is_what_cloudbase_init_acts_on() -> None:
    asked = Provisioning(run_commands=("Write-Output 'a b'",), ssh_authorized_keys=())
    config = YamlDocuments().read(for_cloudbase(asked, Datasource.NOCLOUD).user_data, field="user_data")
    assert config["runcmd"] == [["powershell.exe", "-NoProfile", "-Command", "Write-Output 'a b'"]]
    assert config["users"][0]["name"] == "Administrator"
    assert "packages" not in config
    assert {"hostname", "users", "runcmd"} <= {"hostname", *cloudbase("plugins")}


def test_setup_finds_the_answer_file_under_both_names(tmp_path: Path) -> None:
    wish = WindowsWish(administrator_password=Secret("Geheim & <neu>"))
    seed = AnswerFileRenderer(XmlAnswerFiles()).render(
        wish, vm_name="win-1", architecture="x86_64", hide_secrets=False
    )
    disc: Any = PyCdlib()
    disc.open(str(seed_iso(seed.documents, tmp_path)))
    try:
        children = disc.list_children(joliet_path="/")
        names: list[str] = [child.file_identifier().decode("utf-16-be") for child in children]
    finally:
        disc.close()
    assert {"Unattend.xml", "Autounattend.xml"} <= set(names)
    assert (tmp_path / "seed.iso").stat().st_mode & 0o777 == 0o600
    assert seed.user == "Administrator"


def test_a_file_of_ones_own_is_used_as_it_is() -> None:
    own = f'<unattend xmlns="{NAMESPACE}"><settings pass="specialize"/></unattend>'
    render = AnswerFileRenderer(XmlAnswerFiles()).render
    wish = WindowsWish(unattend_xml=own)
    seed = render(wish, vm_name="win-1", architecture="x86_64", hide_secrets=True)
    assert seed.documents.user_data == own
    both = WindowsWish(unattend_xml=own, timezone="UTC")
    with pytest.raises(InvalidGuestSetting, match="single answers"):
        render(both, vm_name="win-1", architecture="x86_64", hide_secrets=True)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("<unattend", "line 1"),
        ("<a/>", "outermost"),
        (f'<!DOCTYPE a SYSTEM "file:///etc/passwd"><unattend xmlns="{NAMESPACE}"/>', "DTD"),
        (f'<!DOCTYPE a [<!ENTITY b "c">]><unattend xmlns="{NAMESPACE}">&b;</unattend>', "DTD"),
    ],
)
def test_an_answer_file_that_is_none_is_refused(text: str, why: str) -> None:
    with pytest.raises(InvalidUserData, match=why):
        XmlAnswerFiles().judge(text)
