"""All calls of NodeDaemonService in one servicer; those that nobody answers stay unimplemented."""

from __future__ import annotations

from image_library.domain.node import Registration
from image_library.node.handlers.captures import CaptureCalls
from image_library.node.handlers.consoles import ConsoleCalls
from image_library.node.handlers.disks import DiskCalls
from image_library.node.handlers.downloads import DownloadCalls
from image_library.node.handlers.images import ImageCalls
from image_library.node.handlers.info import InfoCalls
from image_library.node.handlers.proofs import ProofCalls
from image_library.node.handlers.publishers import PublisherCalls
from image_library.node.handlers.upkeep import UpkeepCalls
from image_library.node.handlers.uploads import UploadCalls
from image_library.node.handlers.vms import VmCalls
from image_library.node.ports.storage import ImageStore
from image_library.node.services.ask_publisher import AskPublisher
from image_library.node.services.capture_vm import CaptureVm
from image_library.node.services.collect_garbage import GarbageCollection
from image_library.node.services.consoles import Consoles
from image_library.node.services.disk_tasks import DiskTasks
from image_library.node.services.displays import Displays
from image_library.node.services.download_image import Downloads
from image_library.node.services.prove_boot import BootProofs
from image_library.node.services.read_image import ImageReading
from image_library.node.services.receive_upload import Uploads
from image_library.node.services.remove_image import ImageRemoval
from image_library.node.services.scan_images import ImageScan
from image_library.node.services.scrub_images import ImageScrub
from image_library.node.services.store_health import StoreHealth
from image_library.node.services.vm_disks import VmDisks
from image_library.node.services.vm_streams import VmStreams
from image_library.node.services.vms import Vms


class NodeDaemon(
    CaptureCalls,
    ConsoleCalls,
    DiskCalls,
    DownloadCalls,
    ImageCalls,
    InfoCalls,
    ProofCalls,
    PublisherCalls,
    UpkeepCalls,
    UploadCalls,
    VmCalls,
):
    def __init__(
        self,
        *,
        registration: Registration,
        downloads: Downloads,
        uploads: Uploads,
        store: ImageStore,
        scan: ImageScan,
        removal: ImageRemoval,
        garbage: GarbageCollection,
        health: StoreHealth,
        disks: VmDisks,
        tasks: DiskTasks,
        capture: CaptureVm,
        reading: ImageReading,
        scrub: ImageScrub,
        publishers: AskPublisher,
        vms: Vms,
        streams: VmStreams,
        consoles: Consoles,
        displays: Displays,
        proofs: BootProofs,
    ) -> None:
        CaptureCalls.__init__(self, capture=capture)
        DiskCalls.__init__(self, disks=disks, tasks=tasks, vms=vms)
        ConsoleCalls.__init__(self, consoles=consoles, displays=displays)
        DownloadCalls.__init__(self, downloads=downloads, uploads=uploads, proofs=proofs)
        ProofCalls.__init__(self, proofs=proofs, architecture=registration.architecture)
        UploadCalls.__init__(self, uploads=uploads)
        ImageCalls.__init__(self, scan=scan, removal=removal, reading=reading, scrub=scrub)
        InfoCalls.__init__(self, registration=registration, store=store)
        PublisherCalls.__init__(self, publishers=publishers)
        UpkeepCalls.__init__(self, downloads=downloads, garbage=garbage, health=health)
        VmCalls.__init__(self, vms=vms, streams=streams, architecture=registration.architecture)
