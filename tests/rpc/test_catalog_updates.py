"""RefreshCatalog through its real door: a signed file in the call, and one that a node fetches."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.fakes.node_daemon import FakeNodeDaemon
from tests.rpc.conftest import IMAGES, control_plane, reason
from tests.support.signed_catalog import CatalogKey, catalog

KEY = CatalogKey()
URL = "https://catalog.example.org/images.toml"
TODAY = datetime.now(UTC).date()
METHOD = f"{IMAGES}/RefreshCatalog"


def signed(version: int, *, name: str = "Ours") -> dict[str, str]:
    content = catalog(version, written=TODAY, expires=TODAY + timedelta(days=100), name=name)
    both = {"content": content, "signatures": KEY.sign(content)}
    return {field: base64.b64encode(data).decode() for field, data in both.items()}


async def test_a_signed_catalog_is_offered_at_once_and_after_a_restart(tmp_path: Path) -> None:
    async with control_plane(tmp_path, catalog_keys=(KEY.text,)) as call:
        state = await call(METHOD, signed(3))
        assert (state["version"], state["age"]) == (3, "fresh")
        answer = await call(f"{IMAGES}/GetImageCatalog")
        assert next(e["name"] for e in answer["images"] if e["id"] == "ours") == "Ours"
        error = await call.refused(METHOD, signed(2, name="Older"))
        assert reason(error) == "CATALOG_ROLLBACK"
    async with control_plane(tmp_path, catalog_keys=(KEY.text,)) as call:
        answer = await call(f"{IMAGES}/GetImageCatalog")
        assert next(e["name"] for e in answer["images"] if e["id"] == "ours") == "Ours"
        assert (answer["catalog"]["version"], answer["catalog"]["configured"]) == (3, True)
        assert reason(await call.refused(METHOD, signed(2))) == "CATALOG_ROLLBACK"


async def test_without_keys_nothing_is_taken(tmp_path: Path) -> None:
    async with control_plane(tmp_path) as call:
        assert reason(await call.refused(METHOD, signed(3))) == "REQUEST_INVALID"
        assert "catalog" not in await call(f"{IMAGES}/GetImageCatalog")


async def test_a_node_fetches_it(tmp_path: Path) -> None:
    async with control_plane(tmp_path, catalog_keys=(KEY.text,), catalog_url=URL) as call:
        node = FakeNodeDaemon(token=call.handle.join_token)
        content = catalog(4, written=TODAY, expires=TODAY + timedelta(days=100))
        node.small_files = {URL: content, f"{URL}.sig": KEY.sign(content)}
        async with node.serving():
            await call.register(node)
            assert (await call(METHOD))["version"] == 4
            node.small_files = {}
            assert reason(await call.refused(METHOD)) == "IMPORT_NOT_FOUND"
