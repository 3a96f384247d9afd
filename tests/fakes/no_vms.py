"""A node without VMs, of which nothing can be captured."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from image_library.domain.errors import UnknownVm
from image_library.domain.store import DownloadOrder
from image_library.node.services.make_image import Made, Watch


class NoVms:
    def making(self, order: DownloadOrder, *, key: str, watch: Watch) -> AbstractAsyncContextManager[Made]:
        raise UnknownVm(f"This node has no VM '{order.capture_vm}'.", field=f"{key} {watch}")
