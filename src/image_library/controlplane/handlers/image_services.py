"""What the ImageService's handlers call."""

from __future__ import annotations

from dataclasses import dataclass

from image_library.controlplane.services.adoptions import Adoptions
from image_library.controlplane.services.boot_proofs import BootProofs
from image_library.controlplane.services.captures import Captures
from image_library.controlplane.services.catalog import CatalogService
from image_library.controlplane.services.catalog_updates import CatalogUpdates
from image_library.controlplane.services.conversions import Conversions
from image_library.controlplane.services.deletions import Deletions
from image_library.controlplane.services.downloads import Downloads
from image_library.controlplane.services.eviction import Evictions
from image_library.controlplane.services.garbage import Garbage
from image_library.controlplane.services.image_checks import ImageChecks
from image_library.controlplane.services.image_edits import ImageEdits
from image_library.controlplane.services.image_usage import ImageUsages
from image_library.controlplane.services.images import ImageService
from image_library.controlplane.services.imports import Imports
from image_library.controlplane.services.inventory import InventoryService
from image_library.controlplane.services.library_watch import LibraryWatch
from image_library.controlplane.services.placing import Placements
from image_library.controlplane.services.refreshes import Refreshes
from image_library.wire.paging import PageTokens


@dataclass(frozen=True, kw_only=True)
class ImageServices:
    catalog: CatalogService
    catalog_updates: CatalogUpdates
    downloads: Downloads
    imports: Imports
    images: ImageService
    inventory: InventoryService
    watch: LibraryWatch
    edits: ImageEdits
    deletions: Deletions
    usages: ImageUsages
    garbage: Garbage
    adoptions: Adoptions
    conversions: Conversions
    proofs: BootProofs
    captures: Captures
    placements: Placements
    evictions: Evictions
    checks: ImageChecks
    tokens: PageTokens
    refreshes: Refreshes
