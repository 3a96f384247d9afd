"""Who wants to know what nodes say of their VMs."""

from __future__ import annotations

from typing import Protocol

from image_library.domain.vm import VmReport


class VmReportSink(Protocol):
    async def record(self, node_id: str, reports: tuple[VmReport, ...], *, complete: bool) -> None:
        """Takes a node's word; with ``complete``, a VM of that node that is not named is lost."""
        ...
