"""No ordinary image is refused, and all that judge it agree on what it is."""

from __future__ import annotations

import json
import logging
import subprocess
from pathlib import Path

import pytest
from oslo_utils.imageutils.format_inspector import detect_file_format

from image_library.domain.image import ImageFormat
from image_library.node.adapters.inspector import HeaderInspector
from tests.support.corpus.benign import DRIVERS, Benign, build_benign

# oslo.utils' name for a disk with partitions.
_RAW_TO_OSLO = "gpt"


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Benign, ...]:
    return build_benign(tmp_path_factory.mktemp("benign"))


async def test_no_ordinary_image_is_refused(images: tuple[Benign, ...]) -> None:
    assert len(images) >= 60
    inspector = HeaderInspector()
    for image in images:
        for declared in (None, image.format):
            facts = await inspector.inspect_file(str(image.path), name=image.name, declared=declared)
            assert facts.format is image.format, image.name


async def test_the_size_is_what_qemu_finds(images: tuple[Benign, ...]) -> None:
    inspector = HeaderInspector()
    for image in images:
        driver = DRIVERS.get(image.format)
        # QEMU takes an old VHD's size from its geometry, which is a little more.
        if driver and driver != "vpc":
            facts = await inspector.inspect_file(str(image.path), name=image.name, declared=None)
            assert facts.virtual_size_bytes == told_by_qemu(image.path, driver), image.name


def told_by_qemu(path: Path, driver: str) -> int:
    words = ("qemu-img", "info", "-f", driver, "--output=json", str(path))
    said = subprocess.run(words, check=True, capture_output=True).stdout
    return int(json.loads(said)["virtual-size"])


async def test_the_hardware_of_an_appliance_is_told(images: tuple[Benign, ...]) -> None:
    path = next(image.path for image in images if image.name == "stream.ova")
    hardware = (await HeaderInspector().inspect_file(str(path), name="it", declared=None)).hardware
    assert hardware is not None
    assert (hardware.cpus, hardware.memory_mib, hardware.network_cards) == (2, 2048, 2)
    assert (hardware.firmware, hardware.disk_capacity_bytes) == ("efi", 64 << 20)
    assert hardware.os_type == "Debian GNU/Linux 12 (64-bit)"


def test_another_inspector_agrees_where_it_knows_the_format(
    images: tuple[Benign, ...], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    said = {image.name: oslo_says(image.path).replace(_RAW_TO_OSLO, "raw") for image in images}
    contradicted = {image.name for image in images if said[image.name] != image.format.value}
    # oslo.utils 10.2.0 knows no extended second-level tables, looks for a VHD's footer at the beginning only,
    # calls a bootable ISO two formats, and has no word for an appliance: its word alone refuses nothing.
    assert contradicted == {image.name for image in images if is_beyond_oslo(image)}, said


def is_beyond_oslo(image: Benign) -> bool:
    if image.format is ImageFormat.VHD:
        return is_fixed(image.path)
    if image.format is ImageFormat.QCOW2:
        return has_extended_tables(image.path)
    return image.format is ImageFormat.OVA or image.name.startswith("hybrid")


def is_fixed(path: Path) -> bool:
    return not path.read_bytes().startswith(b"conectix")


def has_extended_tables(path: Path) -> bool:
    header = path.read_bytes()[:80]
    return header[7] == 3 and bool(header[79] & 16)


def oslo_says(path: Path) -> str:
    try:
        found = detect_file_format(str(path))
        if found is None:
            return "nothing"
        found.safety_check()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return str(found)
