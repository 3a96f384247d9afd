"""Facts out of real file systems, in real disks, through the real jail."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from image_library.domain.guest_facts import GuestFacts
from image_library.domain.image import ImageFormat
from image_library.node.adapters.guest_inspector import JailedGuestInspector
from image_library.node.adapters.jail import Jail, Wall, best_wall
from tests.support import guest_images as images

SYSTEM = GuestFacts(
    distribution="debian",
    version="12",
    pretty_name="Debian GNU/Linux 12 (bookworm)",
    architecture="aarch64",
    default_user="debian",
    cloud_init=True,
    datasources=("NoCloud", "None"),
    guest_agent=True,
    read=True,
)
LINUX_GPT = "L"
ESP = "U"
BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"


async def facts_of(image: Path, image_format: ImageFormat | None = None) -> GuestFacts:
    by_name = ImageFormat.QCOW2 if image.suffix == ".qcow2" else ImageFormat.RAW
    return await JailedGuestInspector(Jail(best_wall())).read(str(image), image_format or by_name)


async def test_a_genuine_image_tells_all(debian_image: Path) -> None:
    assert await facts_of(debian_image) == GuestFacts(
        distribution="debian",
        version="12",
        pretty_name="Debian GNU/Linux 12 (bookworm)",
        architecture="x86_64",
        default_user="debian",
        cloud_init=True,
        datasources=("NoCloud", "ConfigDrive", "None"),
        guest_agent=True,
        firmware=("bios", "uefi"),
        root_filesystem="ext4",
        read=True,
    )


FILE_SYSTEMS: dict[str, tuple[str, Callable[[Path, Path], Path]]] = {
    "ext2": ("ext2", lambda image, root: images.ext(image, root, kind="ext2")),
    "ext3": ("ext3", lambda image, root: images.ext(image, root, kind="ext3")),
    "ext4": ("ext4", images.ext),
    "ext4 as of today": (
        "ext4",
        lambda image, root: images.ext(
            image, root, "-O", "metadata_csum,metadata_csum_seed,orphan_file,large_dir,ea_inode"
        ),
    ),
    "ext4 without 64 bits": (
        "ext4",
        lambda image, root: images.ext(image, root, "-O", "^64bit", "-b", "1024"),
    ),
    "ext4 with inline data": (
        "ext4",
        lambda image, root: images.ext(image, root, "-I", "1024", "-O", "^has_journal"),
    ),
    "xfs": ("xfs", images.xfs),
    "xfs with large counts": ("xfs", lambda image, root: images.xfs(image, root, "-i", "nrext64=1")),
    "xfs of version 4": ("xfs", lambda image, root: images.xfs(image, root, "-m", "crc=0", "-n", "ftype=0")),
    "xfs with small blocks": (
        "xfs",
        lambda image, root: images.xfs(image, root, "-b", "size=1024", "-n", "size=4096"),
    ),
    "btrfs": ("btrfs", images.btrfs),
}


@pytest.mark.parametrize("name", FILE_SYSTEMS)
async def test_every_file_system_tells_the_same(tmp_path: Path, name: str) -> None:
    kind, make = FILE_SYSTEMS[name]
    image = make(tmp_path / "disk.img", images.tree(tmp_path / "root"))
    assert await facts_of(image) == replace(SYSTEM, root_filesystem=kind)


async def test_capitals_do_not_count_in_vfat_where_links_do_not_exist(tmp_path: Path) -> None:
    root = images.tree(tmp_path / "root", {"ETC/Os-Release": images.OS_RELEASE}, links={})
    facts = await facts_of(images.vfat(tmp_path / "disk.img", root))
    assert (facts.distribution, facts.root_filesystem, facts.read) == ("debian", "vfat", True)


@pytest.mark.parametrize(
    "options", [(), ("-c",), ("-c", "-o", "compression_type=zstd"), ("-o", "compat=0.10")]
)
async def test_every_kind_of_qcow2_tells_the_same(tmp_path: Path, options: tuple[str, ...]) -> None:
    raw = images.ext(tmp_path / "disk.img", images.tree(tmp_path / "root"))
    assert await facts_of(images.qcow2(raw, *options)) == replace(SYSTEM, root_filesystem="ext4")


@pytest.mark.parametrize(
    "options",
    ["cluster_size=512", "cluster_size=2M", "extended_l2=on,cluster_size=16k", "preallocation=metadata"],
)
async def test_clusters_of_every_size_are_read(tmp_path: Path, options: str) -> None:
    raw = images.ext(tmp_path / "disk.img", images.tree(tmp_path / "root"))
    assert (await facts_of(images.qcow2(raw, "-o", options))).read


def boot_code(image: Path) -> None:
    with image.open("r+b") as file:
        file.write(b"\xeb\x63\x90 a boot loader")


def loader(tmp_path: Path, name: str, *, bits: int = 16) -> Path:
    root = images.tree(tmp_path / "esp", {name: "MZ"}, links={})
    return images.vfat(tmp_path / "esp.img", root, bits=bits, mib=40 if bits == 32 else 16)


@pytest.mark.parametrize("bits", [12, 16, 32])
async def test_a_loader_at_its_usual_place_means_uefi(tmp_path: Path, bits: int) -> None:
    esp = loader(tmp_path, "EFI/BOOT/BOOTX64.EFI", bits=bits)
    root = images.ext(tmp_path / "root.img", images.tree(tmp_path / "root"))
    image = images.disk(tmp_path / "disk.img", "gpt", (ESP, esp), (LINUX_GPT, root))
    assert await facts_of(image) == replace(SYSTEM, root_filesystem="ext4", firmware=("uefi",))


async def test_a_loader_that_only_an_installed_entry_finds_boots_no_fresh_vm(tmp_path: Path) -> None:
    esp = loader(tmp_path, "EFI/debian/grubx64.efi")
    image = images.disk(tmp_path / "disk.img", "gpt", (ESP, esp))
    assert (await facts_of(image)).firmware == ()


@pytest.mark.parametrize(("kind", "firmware"), [(BIOS_BOOT, ("bios",)), (LINUX_GPT, ())])
async def test_a_bios_needs_code_and_in_a_gpt_a_place_to_go_on(
    tmp_path: Path, kind: str, firmware: tuple[str, ...]
) -> None:
    root = images.ext(tmp_path / "root.img", images.tree(tmp_path / "root"))
    image = images.disk(tmp_path / "disk.img", "gpt", (kind, None), (LINUX_GPT, root))
    assert (await facts_of(image)).firmware == ()
    boot_code(image)
    assert (await facts_of(image)).firmware == firmware


async def test_an_mbr_with_code_means_bios(tmp_path: Path) -> None:
    root = images.xfs(tmp_path / "root.img", images.tree(tmp_path / "root"))
    image = images.disk(tmp_path / "disk.img", "dos", ("83", root))
    assert await facts_of(image) == replace(SYSTEM, root_filesystem="xfs")
    boot_code(image)
    assert (await facts_of(image)).firmware == ("bios",)


async def test_logical_partitions_are_found(tmp_path: Path) -> None:
    root = images.ext(tmp_path / "root.img", images.tree(tmp_path / "root"))
    image = images.sized(tmp_path / "disk.img", 64)
    table = "label: dos\nstart=1MiB, size=2MiB, type=83\nstart=4MiB, size=50MiB, type=5\n"
    images.run("sfdisk", "-q", image, stdin=f"{table}start=5MiB, size=3MiB\nstart=10MiB, size=16MiB\n")
    with image.open("r+b") as file:
        file.seek(10 * images.MIB)
        file.write(root.read_bytes())
    assert (await facts_of(image)).read


def mounted(image: Path, at: Path, options: str) -> None:
    at.mkdir()
    done = subprocess.run(["mount", "-o", f"loop,{options}", image, at], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip("only root can make subvolumes and compressed files, where btrfs can be mounted")


@pytest.mark.parametrize("packing", ["zstd", "zlib"])
async def test_the_root_is_found_in_a_compressed_subvolume(tmp_path: Path, packing: str) -> None:
    image, at = images.sized(tmp_path / "disk.img", 200), tmp_path / "mounted"
    images.run("mkfs.btrfs", "-q", image)
    mounted(image, at, f"compress-force={packing}")
    try:
        for name in ("home", "root"):
            images.run("btrfs", "-q", "subvolume", "create", at / name)
        comment = "# all the same\n" * 3000
        images.tree(at / "root", {**images.SYSTEM, "usr/lib/os-release": images.OS_RELEASE + comment})
    finally:
        images.run("umount", at)
    assert await facts_of(image) == replace(SYSTEM, root_filesystem="btrfs")


async def test_a_folder_of_thousands_of_files_is_searched(tmp_path: Path) -> None:
    crowd = {f"usr/bin/a-command-with-a-long-name-{n:05}": str(n) for n in range(4000)}
    root = images.tree(tmp_path / "root", {**crowd, **images.SYSTEM})
    for image in (images.ext(tmp_path / "e.img", root, mib=64), images.xfs(tmp_path / "x.img", root)):
        assert (await facts_of(image)).cloud_init


async def test_cloud_init_that_is_switched_off_is_none(tmp_path: Path) -> None:
    root = images.tree(tmp_path / "root", {**images.SYSTEM, "etc/cloud/cloud-init.disabled": ""})
    facts = await facts_of(images.ext(tmp_path / "disk.img", root))
    assert (facts.cloud_init, facts.default_user, facts.datasources) == (False, "", ())


async def test_a_configuration_that_is_no_yaml_takes_nothing_else_with_it(tmp_path: Path) -> None:
    root = images.tree(tmp_path / "root", {**images.SYSTEM, "etc/cloud/cloud.cfg": "a: [\n"})
    facts = await facts_of(images.ext(tmp_path / "disk.img", root))
    assert facts.reason == "Its /etc/cloud/cloud.cfg is no YAML."
    assert (facts.distribution, facts.cloud_init, facts.default_user) == ("debian", True, "")


async def test_bubblewrap_does_where_there_is_no_landlock(tmp_path: Path) -> None:
    image = images.ext(tmp_path / "disk.img", images.tree(tmp_path / "root"))
    facts = await JailedGuestInspector(Jail(Wall.BUBBLEWRAP)).read(str(image), ImageFormat.RAW)
    assert facts == replace(SYSTEM, root_filesystem="ext4")
