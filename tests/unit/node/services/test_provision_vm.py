import asyncio
import json
from dataclasses import replace

import pytest

from image_library.domain.errors import (
    DiskTooSmall,
    HypervisorFailed,
    ImageInUse,
    ImageNotReady,
    InvalidRequest,
    LibraryError,
    PathOutside,
    StorageFull,
    UnsupportedFeature,
)
from image_library.domain.guest_door import Doorway, Doorways
from image_library.domain.guest_hardware import Devices
from image_library.domain.image import ImageFormat
from image_library.domain.machine import GIB, Backing, DiskOrder, Firmware, MachineOrder, mac_for
from image_library.domain.os_info import OsInfo
from image_library.domain.secret import Secret
from image_library.domain.store import ImageFacts, LocalFile
from image_library.domain.vm import BootStage, Datasource, PowerState, SeedDocuments
from image_library.node.adapters.vm_journal import dump_record
from image_library.node.services.image_holds import ImageHolds
from image_library.node.services.provision_vm import ProvisionVm
from tests.fakes.hypervisor import (
    NOON,
    FakeDesk,
    FakeDisks,
    FakeHypervisor,
    FakeSeeds,
    KnownImages,
    MadeDisk,
    MemoryFolders,
    MemoryVmJournal,
    published,
)

DIGEST = "sha256:" + "a" * 64
VIRTUAL = 2361393152
ISO = ImageFacts(format=ImageFormat.ISO, virtual_size_bytes=GIB)
LOCAL = LocalFile(
    path="/data/cloud-images/mine.raw",
    filename="mine.raw",
    size_bytes=GIB,
    facts=ImageFacts(format=ImageFormat.RAW, virtual_size_bytes=GIB),
    detected_os=OsInfo(),
    modified_at=NOON,
)
ORDER = MachineOrder(
    vm_id="vm-1",
    name="web",
    architecture="x86_64",
    cores=2,
    memory_mib=1024,
    firmware=Firmware.BIOS,
    disk=DiskOrder(backing_digest=DIGEST, size_gib=10),
    seed=SeedDocuments(user_data="#cloud-config\n", meta_data="instance-id: i\n"),
)


class House:
    def __init__(self, *, doors: bool = True, operator: Doorway | None = None) -> None:
        self.journal = MemoryVmJournal()
        self.folders = MemoryFolders()
        self.disks = FakeDisks()
        self.seeds = FakeSeeds()
        self.holds = ImageHolds()
        self.hypervisor = FakeHypervisor()
        self.images = images = KnownImages(published(DIGEST, virtual_size=VIRTUAL), files=(LOCAL,))
        self.desk = FakeDesk()
        self.provision = ProvisionVm(
            journal=self.journal,
            images=images,
            files=images.files,
            folders=self.folders,
            disks=self.disks,
            seeds=self.seeds,
            desk=self.desk,
            holds=self.holds,
            hypervisor=self.hypervisor,
            doorways=Doorways(direct=doors, operator=operator),
        )

    @property
    def is_empty(self) -> bool:
        return not self.folders.names and not self.journal.records


@pytest.fixture
def house() -> House:
    return House()


def with_disk(disk: DiskOrder) -> MachineOrder:
    return replace(ORDER, disk=disk)


async def test_makes_disk_seed_and_record(house: House) -> None:
    record = await house.provision.make(ORDER)
    assert house.disks.made == [
        MadeDisk(
            target="/data/vms/vm-1/disk.qcow2",
            backing="/data/blobs/one",
            backing_format=ImageFormat.QCOW2,
            size_bytes=10 * GIB,
        )
    ]
    assert house.seeds.written == [("/data/vms/vm-1", ORDER.seed)]
    assert house.journal.records == {"vm-1": record}
    assert record.report.state is PowerState.STOPPED
    assert record.report.stage is BootStage.DISK
    assert record.machine.mac_address == mac_for("vm-1")


async def test_a_disc_is_a_published_iso_that_is_held_meanwhile(house: House) -> None:
    disc = "sha256:" + "d" * 64
    iso = replace(published(disc, virtual_size=GIB, path="/data/blobs/iso"), facts=ISO)
    house.images.add(iso)
    order = replace(ORDER, driver_digest=disc, guest_os="windows", devices=Devices.EMULATED)
    machine = (await house.provision.make(order)).machine
    assert machine.drivers == Backing(path="/data/blobs/iso", format=ImageFormat.RAW, digest=disc)
    assert (machine.guest_os, machine.devices) == ("windows", Devices.EMULATED)
    with house.holds.removing(disc), pytest.raises(ImageNotReady):
        await house.provision.make(replace(order, vm_id="vm-2"))
    with pytest.raises(InvalidRequest, match="ISO image, not qcow2"):
        await house.provision.make(replace(order, vm_id="vm-2", driver_digest=DIGEST))
    with pytest.raises(ImageNotReady):
        await house.provision.make(replace(order, vm_id="vm-2", driver_digest="sha256:none"))
    assert list(house.journal.records) == ["vm-1"]


async def test_cards_are_on_bridges_by_name_only(house: House) -> None:
    order = replace(ORDER, more_mac_addresses=("52:54:00:00:00:02",), bridges=("", "br0"))
    assert (await house.provision.make(order)).machine.bridges == ("", "br0")
    with pytest.raises(InvalidRequest, match="bridge"):
        await house.provision.make(replace(order, vm_id="vm-2", bridges=("br0,script=/bin/sh",)))


async def test_no_size_is_the_images_own(house: House) -> None:
    record = await house.provision.make(with_disk(DiskOrder(backing_digest=DIGEST)))
    assert record.machine.disk_bytes == VIRTUAL


async def test_refuses_a_disk_below_the_image_and_names_both_sizes(house: House) -> None:
    with pytest.raises(DiskTooSmall, match=r"2 GiB is smaller than the image's 2\.2 GiB"):
        await house.provision.make(with_disk(DiskOrder(backing_digest=DIGEST, size_gib=2)))
    assert house.is_empty


async def test_builds_on_an_operators_file_by_its_path(house: House) -> None:
    record = await house.provision.make(with_disk(DiskOrder(backing_path=LOCAL.path)))
    assert record.machine.backing.path == LOCAL.path
    assert record.machine.backing.format is ImageFormat.RAW
    assert record.machine.backing.digest == ""


async def test_builds_on_a_published_image_by_its_readable_path(house: House) -> None:
    record = await house.provision.make(with_disk(DiskOrder(backing_path="/data/cloud-images/one.qcow2")))
    assert record.machine.backing.path == "/data/blobs/one"
    assert record.machine.backing.digest == DIGEST


@pytest.mark.parametrize("path", ["/etc/shadow", "/data/cloud-images/../secret", "json:{}", "nbd:host"])
async def test_refuses_a_backing_path_that_the_store_does_not_know(house: House, path: str) -> None:
    with pytest.raises(PathOutside):
        await house.provision.make(with_disk(DiskOrder(backing_path=path)))
    assert house.is_empty


@pytest.mark.parametrize("path", ["/tmp/x", "/data/vms/vm-2/disk.qcow2", "/data/vms/vm-1/../x", "x"])
async def test_refuses_a_disk_path_outside_the_vms_folder(house: House, path: str) -> None:
    with pytest.raises(PathOutside):
        await house.provision.make(with_disk(DiskOrder(backing_digest=DIGEST, path=path)))


async def test_takes_the_disk_path_that_it_would_choose_itself(house: House) -> None:
    own = DiskOrder(backing_digest=DIGEST, path="/data/vms/vm-1/disk.qcow2")
    await house.provision.make(with_disk(own))
    assert not house.is_empty


async def test_refuses_an_order_without_an_image(house: House) -> None:
    with pytest.raises(InvalidRequest):
        await house.provision.make(with_disk(DiskOrder()))


async def test_an_image_that_is_not_here_is_not_ready(house: House) -> None:
    with pytest.raises(ImageNotReady):
        await house.provision.make(with_disk(DiskOrder(backing_digest="sha256:" + "b" * 64)))


@pytest.mark.parametrize("where", ["disks", "seeds", "journal"])
async def test_leaves_nothing_half_made(house: House, where: str) -> None:
    failure: LibraryError = StorageFull("Full.")
    getattr(house, where).failure = failure
    with pytest.raises(StorageFull):
        await house.provision.make(ORDER)
    assert house.is_empty


async def test_leaves_nothing_half_made_when_it_is_cancelled(house: House) -> None:
    reached = asyncio.Event()

    async def hang() -> None:
        reached.set()
        await asyncio.Event().wait()

    house.disks.before = hang
    making = asyncio.create_task(house.provision.make(ORDER))
    await reached.wait()
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    assert house.is_empty


async def test_an_image_that_is_being_removed_is_not_built_on(house: House) -> None:
    with house.holds.removing(DIGEST), pytest.raises(ImageNotReady):
        await house.provision.make(ORDER)
    assert house.is_empty


async def test_an_image_that_is_being_built_on_is_not_removed(house: House) -> None:
    async def remove() -> None:
        with pytest.raises(ImageInUse), house.holds.removing(DIGEST):
            pytest.fail("it was removed")

    house.disks.before = remove
    await house.provision.make(ORDER)
    with house.holds.removing(DIGEST):
        pass


async def test_only_plain_disks_are_built_on(house: House) -> None:
    disc = replace(
        LOCAL,
        path="/data/cloud-images/a.iso",
        facts=ImageFacts(format=ImageFormat.ISO, virtual_size_bytes=GIB),
    )
    house.images.files.add(disc)
    with pytest.raises(UnsupportedFeature):
        await house.provision.make(with_disk(DiskOrder(backing_path=disc.path)))
    assert house.is_empty


async def test_is_made_known_to_the_hypervisor_and_forgotten_where_that_fails_later(house: House) -> None:
    await house.provision.make(ORDER)
    assert house.hypervisor.defined == {"vm-1"}
    house.journal.failure = StorageFull("Full.")
    with pytest.raises(StorageFull):
        await house.provision.make(replace(ORDER, vm_id="vm-2"))
    assert house.hypervisor.defined == {"vm-1"}


async def test_a_hypervisor_that_refuses_leaves_nothing(house: House) -> None:
    house.hypervisor.refused_definition = HypervisorFailed("No.")
    with pytest.raises(HypervisorFailed):
        await house.provision.make(ORDER)
    assert house.is_empty


REPORTING = replace(ORDER, seed=replace(ORDER.seed, phone_home=True))


async def test_a_guest_that_shall_report_gets_a_token_of_which_only_the_digest_is_kept() -> None:
    house = House()
    one = await house.provision.make(REPORTING)
    other = await house.provision.make(replace(REPORTING, vm_id="vm-2"))
    urls = [json.loads(s.vendor_data.partition("\n")[2])["phone_home"]["url"] for _, s in house.seeds.written]
    tokens = [Secret(url.removeprefix("http://10.0.2.100/")) for url in urls]
    assert len(tokens[0].reveal()) >= 43
    assert one.machine.door
    assert one.lock.fits(tokens[0])
    assert other.lock.fits(tokens[1])
    assert not one.lock.fits(tokens[1])
    assert tokens[0].reveal() not in dump_record(one)


BRIDGED = replace(REPORTING, bridges=("br0",))


@pytest.mark.parametrize(("doors", "order"), [(False, REPORTING), (True, ORDER), (True, BRIDGED)])
async def test_without_a_door_or_the_wish_for_one_the_documents_stay_as_they_are(
    doors: bool, order: MachineOrder
) -> None:
    house = House(doors=doors)
    record = await house.provision.make(order)
    assert house.seeds.written[0][1].vendor_data == ""
    assert not record.machine.door
    assert not record.lock.fits(Secret(""))


SERVED = replace(REPORTING, seed=replace(REPORTING.seed, datasource=Datasource.NOCLOUD_SMBIOS))


async def test_a_guest_without_a_disk_of_documents_has_a_serial_number_that_leads_to_them() -> None:
    house = House()
    record = await house.provision.make(SERVED)
    assert house.seeds.written == []
    told = json.loads(house.desk.documents["vm-1"]["vendor-data"].partition(b"\n")[2])
    url = told["phone_home"]["url"]
    assert house.desk.serials["vm-1"] == f"ds=nocloud;dsmode=net;s={url}/"
    assert told["manual_cache_clean"] is True
    assert (record.machine.seed_served, record.machine.door) == (True, True)
    token = Secret(url.removeprefix("http://10.0.2.100/"))
    assert record.lock.fits(token)
    assert token.reveal() not in dump_record(record)


async def test_a_guest_that_does_not_report_finds_its_documents_too() -> None:
    house = House()
    quiet = replace(SERVED, seed=replace(SERVED.seed, phone_home=False, vendor_data="#!/bin/sh\n"))
    record = await house.provision.make(quiet)
    assert house.desk.documents["vm-1"]["vendor-data"] == b"#!/bin/sh\n"
    assert house.desk.documents["vm-1"]["network-config"] == b""
    assert record.machine.door


@pytest.mark.parametrize(("doors", "bridges"), [(False, ()), (True, ("br0",))])
async def test_without_a_door_nothing_is_made_for_such_a_guest(doors: bool, bridges: tuple[str, ...]) -> None:
    house = House(doors=doors)
    with pytest.raises(UnsupportedFeature, match="door"):
        await house.provision.make(replace(SERVED, bridges=bridges))
    assert house.is_empty


@pytest.mark.parametrize("doors", [True, False])
async def test_on_a_bridge_a_guest_reports_to_the_address_that_the_operator_gave(doors: bool) -> None:
    house = House(doors=doors, operator=Doorway(url="http://192.0.2.1:8780"))
    record = await house.provision.make(BRIDGED)
    told = json.loads(house.seeds.written[0][1].vendor_data.partition("\n")[2])["phone_home"]
    assert told["url"].startswith("http://192.0.2.1:8780/")
    # qemu needs to know nothing of it.
    assert not record.machine.door
    assert record.lock.fits(Secret(told["url"].rpartition("/")[2]))
    await house.provision.make(replace(SERVED, vm_id="vm-2", bridges=("br0",)))
    assert house.desk.serials["vm-2"].startswith("ds=nocloud;dsmode=net;s=http://192.0.2.1:8780/")
