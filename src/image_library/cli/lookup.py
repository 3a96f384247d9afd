"""From what people type (an id or a name) to the one image, VM or catalog entry that it means."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from itertools import chain

from image_library.cli.clients import PAGE, Library, pages
from image_library.domain.errors import UnknownImage, UnknownNode, UnknownVm, printable
from limiquantix.compute.v1.node_pb import ListNodesRequest
from limiquantix.compute.v1.vm_pb import ListVMsRequest, VirtualMachine
from limiquantix.storage.v1.image_pb import (
    CatalogState,
    GetImageCatalogRequest,
    GetImageRequest,
    Image,
    ImageCatalogEntry,
    ImageStatus,
    ListImagesRequest,
    ListImagesResponse,
)


def all_images(library: Library, *, hidden_too: bool = True) -> Iterator[Image]:
    """What names point to; hidden images are found by their names as well."""
    return _listed(library, ListImagesRequest(hidden_too=hidden_too))


def versions_of(library: Library, image: Image) -> list[Image]:
    """Every version of the image's name, the newest first."""
    asked = ListImagesRequest(
        name=image.name, project_id=image.project_id, all_versions=True, hidden_too=True
    )
    return sorted(_listed(library, asked), key=lambda version: version.version, reverse=True)


def _listed(library: Library, asked: ListImagesRequest) -> Iterator[Image]:
    def page(token: str) -> ListImagesResponse:
        asked.page_size, asked.page_token = PAGE, token
        return library.images.list_images(asked)

    return chain.from_iterable(answer.images for answer in pages(page))


def some_images(library: Library, query: ListImagesRequest, *, limit: int = 0) -> ListImagesResponse:
    """As many images as are wanted (0: all) from the query's page on, as one answer."""
    found: list[Image] = []
    while True:
        query.page_size = min(PAGE, limit - len(found)) if limit else PAGE
        answer = library.images.list_images(query)
        found += answer.images
        query.page_token = answer.next_page_token
        if not query.page_token or (limit and len(found) >= limit):
            answer.images = found
            return answer


def all_vms(library: Library) -> Iterator[VirtualMachine]:
    answers = pages(lambda token: library.vms.list_v_ms(ListVMsRequest(page_size=PAGE, page_token=token)))
    return chain.from_iterable(answer.vms for answer in answers)


def node_names(library: Library) -> dict[str, str]:
    """Host names by node id: what people call nodes by."""
    client = library.nodes
    answers = pages(lambda token: client.list_nodes(ListNodesRequest(page_size=PAGE, page_token=token)))
    nodes = chain.from_iterable(answer.nodes for answer in answers)
    return {node.id: node.hostname for node in nodes if node.hostname}


def the_node(library: Library, wanted: str) -> str:
    """The id of the node with this id or host name. Raises UnknownNode."""
    names = node_names(library)
    found = next((node_id for node_id, name in names.items() if wanted in (node_id, name)), "")
    if not found:
        raise UnknownNode(f"There is no node '{printable(wanted)}'.", field="node")
    return found


def catalog(library: Library) -> list[ImageCatalogEntry]:
    return list(library.images.get_image_catalog(GetImageCatalogRequest()).images)


def catalog_with_state(library: Library) -> tuple[list[ImageCatalogEntry], CatalogState]:
    answer = library.images.get_image_catalog(GetImageCatalogRequest())
    return list(answer.images), answer.catalog or CatalogState()


def find_entry(entries: Iterable[ImageCatalogEntry], catalog_id: str) -> ImageCatalogEntry | None:
    return next((e for e in entries if e.id == catalog_id), None)


def image_or_entry(library: Library, wanted: str) -> tuple[Image | None, ImageCatalogEntry | None]:
    """The image that the server means by it and the catalog entry that it is from; one may be missing.

    Raises UnknownImage when both are, AmbiguousImage when several images have the name.
    """
    entries = catalog(library)
    try:
        image = the_image(library, wanted)
    except UnknownImage:
        entry = find_entry(entries, wanted)
        if entry is None:
            raise
        return None, entry
    return image, find_entry(entries, image.spec.catalog_id if image.spec else "")


def is_ready(image: Image) -> bool:
    return image.status is not None and image.status.phase is ImageStatus.Phase.READY


def the_image(library: Library, wanted: str) -> Image:
    """The image that the server means by it: an id, digest, catalog id, name or NAME@VERSION.

    Raises UnknownImage with the closest names.
    """
    return library.images.get_image(GetImageRequest(id=wanted))


def the_vm(library: Library, wanted: str) -> VirtualMachine:
    """The VM with this id or name. Raises UnknownVm with the closest names."""
    known = list(all_vms(library))
    for vm in known:
        if vm.id == wanted:
            return vm
    for vm in known:
        if vm.name == wanted:
            return vm
    close = difflib.get_close_matches(wanted, [vm.name for vm in known], n=3, cutoff=0.5)
    remedy = f"Did you mean {' or '.join(close)}?" if close else ""
    raise UnknownVm(f"There is no VM '{printable(wanted)}'.", remedy=remedy, field="vm")
