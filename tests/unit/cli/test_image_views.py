"""What `images show` says."""

from __future__ import annotations

from image_library.cli.image_views import image_facts
from limiquantix.storage.v1.image_pb import Image, ImageStatus
from limiquantix.storage.v1.trust_pb import ApplianceHardware, ConvertedFrom, TrustLevel


def said(source: ConvertedFrom) -> dict[str, str]:
    image = Image(id="1", name="web", status=ImageStatus(converted_from=source))
    return {name: value for name, value in image_facts(image, {}) if value}


def test_an_appliance_tells_of_its_machine() -> None:
    machine = ApplianceHardware(cpus=2, memory_mib=4096, firmware="efi", os_type="Debian", network_cards=1)
    facts = said(ConvertedFrom(format="ova", digest="sha256:ab", size_bytes=3 << 20, hardware=machine))
    assert facts["converted from"] == "ova, 3.0 MiB"
    assert facts["its digest"] == "sha256:ab"
    assert facts["its machine"] == "CPUs 2, memory 4.0 GiB, firmware efi, network cards 1, system Debian"


def test_what_was_made_of_an_image_tells_how_far_that_was_proved() -> None:
    facts = said(ConvertedFrom(format="raw", packing="xz", digest="sha256:ab", trust=TrustLevel.CHECKSUM))
    assert facts["converted from"].startswith("raw, xz, ")
    assert facts["converted from"].endswith(", checksum")
    assert "its machine" not in facts
