"""Writes the built-in catalogue as GetImageCatalogResponse in JSON: what the web UI shows without a server."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

from image_library.catalog.loader import load_catalog
from image_library.controlplane.adapters.memory.database import MemoryDatabase
from image_library.controlplane.adapters.system_clock import SystemClock
from image_library.controlplane.services.catalog import CatalogService
from image_library.wire.catalog import offer_to_wire
from limiquantix.storage.v1.image_pb import GetImageCatalogResponse


class LongAgo(SystemClock):
    """Before any support ended: the file is the same on every day, and the UI compares the date itself."""

    def now(self) -> datetime:
        return datetime(2000, 1, 1, tzinfo=UTC)


async def main() -> None:
    service = CatalogService(catalog=load_catalog(), database=MemoryDatabase(), clock=LongAgo())
    answer = GetImageCatalogResponse(images=[offer_to_wire(offer) for offer in await service.offers()])
    print(json.dumps(json.loads(answer.to_json()), indent=1, ensure_ascii=False))


asyncio.run(main())
