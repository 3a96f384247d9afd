"""A guest without a disk of documents: cloud-init itself, and hostile guests, ask for them at the door."""

from __future__ import annotations

import asyncio
import json
import shutil
import stat
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.guest_door import Doorway, smbios_serial, with_door
from image_library.domain.secret import Secret
from image_library.domain.vm import Datasource, SeedDocuments
from tests.integration.node.vms.doors import MINE, OTHERS, PATIENCE, Scene, Stream, get, post

SEED = SeedDocuments(
    user_data="#cloud-config\nhostname: web\n",
    meta_data="instance-id: i-1\nlocal-hostname: web\n",
    vendor_data="#cloud-config\n{}\n",
    datasource=Datasource.NOCLOUD_SMBIOS,
)
# Debian's cloud-init belongs to Debian's Python, not to ours.
PYTHON = "/usr/bin/python3"
# cloud-init's own search for the datasource in the stage that has a network; only the serial number is given.
FIND = """
import json, logging, sys
logging.disable(logging.CRITICAL)
from cloudinit import dmi, distros, helpers, sources
from cloudinit.sources import DataSourceNoCloud as nocloud
dmi.read_dmi_data = lambda key: sys.argv[1] if key == "system-serial-number" else None
paths = helpers.Paths({"cloud_dir": sys.argv[2], "run_dir": sys.argv[2]})
config = {"datasource": {"NoCloud": {"fs_label": None}}}
distro = distros.fetch("debian")("debian", {}, paths)
local = nocloud.DataSourceNoCloud(config, distro, paths)
found = nocloud.DataSourceNoCloudNet(config, distro, paths)
assert not local._get_data()
if not found._get_data():
    sys.exit("not found")
print(json.dumps({
    "dsmode": found.dsmode, "is_net": found.dsmode == sources.DSMODE_NETWORK,
    "instance_id": found.get_instance_id(), "hostname": found.metadata.get("local-hostname"),
    "user_data": found.userdata_raw.decode(), "vendor_data": found.vendordata_raw.decode(),
}))
"""


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    scene = Scene(tmp_path)
    yield scene
    await scene.close()


async def test_the_documents_are_there_until_the_guest_has_reported(scene: Scene, tmp_path: Path) -> None:
    guest = await scene.opened("vm-1", MINE, seed=SEED)
    kept = tmp_path / "vm-1" / "seed.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    for _ in range(2):
        assert await guest.asks("meta-data") == (200, SEED.meta_data.encode())
        assert await guest.asks("user-data") == (200, SEED.user_data.encode())
        assert await guest.asks("vendor-data") == (200, SEED.vendor_data.encode())
        assert await guest.asks("network-config") == (200, b"")
    assert await guest.says(post()) == 200
    assert not kept.exists()
    # Who it is, and nothing else: a guest that lost its cache would else become another one.
    status, later = await guest.asks("meta-data")
    assert (status, json.loads(later)) == (200, {"instance-id": "i-1", "local-hostname": "web"})
    assert await guest.asks("user-data") == (200, b"")
    assert await guest.asks("vendor-data") == (200, b"")


async def test_nothing_else_is_there_and_nobody_else_gets_it(scene: Scene) -> None:
    one = await scene.opened("vm-1", MINE, seed=SEED)
    other = await scene.opened("vm-2", OTHERS, seed=replace(SEED, user_data="other"))
    assert await one.asks("user-data", token=OTHERS) == (403, b"")
    assert await one.asks("user-data", token=Secret("")) == (403, b"")
    assert await one.asks("smbios-serial") == (404, b"")
    assert await other.asks("user-data", token=OTHERS) == (200, b"other")


@pytest.mark.parametrize(
    "asked",
    [
        b"GET /token-of-vm-1/../user-data HTTP/1.1\r\n\r\n",
        b"GET /token-of-vm-1/user-data?x HTTP/1.1\r\n\r\n",
        b"GET /token-of-vm-1/%75ser-data HTTP/1.1\r\n\r\n",
        b"GET //user-data HTTP/2\r\n\r\n",
        get("user-data").replace(b"Host", b"Content-Length: 3\r\nHost"),
    ],
)
async def test_what_is_asked_in_another_form_is_refused(scene: Scene, asked: bytes) -> None:
    guest = await scene.opened("vm-1", MINE, seed=SEED)
    assert await guest.says(asked) == 400
    # It is not listened to until it was quiet.
    while True:
        guest.writer.write(get("meta-data"))
        try:
            async with asyncio.timeout(4 * PATIENCE.quiet):
                assert await guest.whole_answer() == (200, SEED.meta_data.encode())
                return
        except TimeoutError:
            continue


async def test_a_guest_with_a_disk_may_ask_for_nothing(scene: Scene) -> None:
    guest = await scene.opened("vm-1", MINE)
    assert await guest.asks("user-data") == (405, b"")


async def test_a_large_document_comes_whole_to_a_slow_guest(scene: Scene) -> None:
    large = replace(SEED, user_data="#cloud-config\n# " + "x" * (1 << 18) + "\n")
    guest = await scene.opened("vm-1", MINE, seed=large)
    assert await guest.asks("user-data") == (200, large.user_data.encode())


class Wire:
    """What qemu does with a guest's connections: one after the other, they become one stream."""

    def __init__(self, guest: Stream) -> None:
        self._guest = guest
        self._one = asyncio.Lock()

    async def connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        async with self._one:
            back = asyncio.create_task(_copy(self._guest.reader, writer))
            await _copy(reader, self._guest.writer)
            back.cancel()
            writer.close()


async def _copy(reader: StreamReader, writer: StreamWriter) -> None:
    while data := await reader.read(4096):
        writer.write(data)


@pytest.mark.skipif(shutil.which("cloud-init") is None, reason="the cloud-init program is not installed")
async def test_cloud_init_itself_finds_them_by_the_serial_number(scene: Scene, tmp_path: Path) -> None:
    guest = await scene.opened("vm-1", MINE, seed=SEED)
    server = await asyncio.start_server(Wire(guest).connected, "127.0.0.1", 0)
    async with server:
        here = Doorway(url=f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
        first = await _found(smbios_serial(here, MINE), tmp_path)
        assert await guest.says(post()) == 200
        later = await _found(smbios_serial(here, MINE), tmp_path)
    assert first["is_net"], "cloud-init would pass over it"
    assert (first["instance_id"], first["hostname"]) == ("i-1", "web")
    assert (first["user_data"], first["vendor_data"]) == (SEED.user_data, SEED.vendor_data)
    assert (later["instance_id"], later["hostname"], later["user_data"]) == ("i-1", "web", "")


async def _found(serial: str, folder: Path) -> dict[str, Any]:
    asked = (PYTHON, "-c", FIND, serial, str(folder / "cloud"))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*asked, stdout=pipe, stderr=pipe)
    said, complained = await process.communicate()
    assert process.returncode == 0, complained.decode()
    return json.loads(said)


def test_the_serial_number_needs_nothing_to_be_quoted() -> None:
    made = with_door(SEED, Doorway(url="http://10.0.2.100"), MINE)
    assert smbios_serial(Doorway(url="http://10.0.2.100"), MINE) == (
        "ds=nocloud;dsmode=net;s=http://10.0.2.100/token-of-vm-1/"
    )
    assert '"manual_cache_clean": true' in made.vendor_data
