"""The port that guests on bridges report to, with hostile ones in front of it."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlencode

import pytest
import trustme

from image_library.domain.changes import Changes
from image_library.domain.errors import InvalidSettings, PortTaken
from image_library.domain.guest_door import Doorway, Doorways
from image_library.domain.guest_requests import LARGEST_BODY
from image_library.domain.secret import Secret
from image_library.domain.vm import Datasource, SeedDocuments
from image_library.node.adapters.clock import SystemClock
from image_library.node.adapters.grpc_server import Tls
from image_library.node.adapters.guest_listener import listening
from image_library.node.adapters.served_seeds import ServedSeeds
from image_library.node.guests import serve_guests
from image_library.node.handlers.guest_http import GuestHttp, Limits
from image_library.node.services.door_keeper import DoorKeeper
from image_library.node.services.vm_records import VmRecords
from image_library.node.settings import Settings
from tests.fakes.hypervisor import MemoryVmJournal
from tests.integration.node.vms.doors import KEY, MINE, OTHERS, REPORT, SECONDS, Folders, get, post, record

HERE = "127.0.0.1:0"
PLAIN, PRIVATE = Doorway(url="http://192.0.2.1:8780"), Doorway(url="https://node.example")
NAMES = urlencode({"instance_id": "i-1", "hostname": "web"}).encode()
LIMITS = Limits(request=0.5, answer=5.0)
SEED = SeedDocuments(
    user_data="#cloud-config\n# " + "x" * 200_000,
    meta_data="instance-id: i-1\n",
    datasource=Datasource.NOCLOUD_SMBIOS,
)


@dataclass
class Port:
    number: int
    records: VmRecords
    context: ssl.SSLContext | None = None

    async def says(self, data: bytes) -> tuple[int, bytes]:
        """What is answered; (0, b"") where the connection is closed without a word of HTTP."""
        async with asyncio.timeout(SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.number, ssl=self.context)
            try:
                writer.write(data)
                return _answer(await reader.read(-1))
            except ConnectionError:
                return 0, b""
            finally:
                writer.close()


def _answer(said: bytes) -> tuple[int, bytes]:
    head, _, body = said.partition(b"\r\n\r\n")
    return (int(head.split(b" ")[1]), body) if head.startswith(b"HTTP/1.1 ") else (0, b"")


@asynccontextmanager
async def port(
    root: Path, *, doorway: Doorway = PLAIN, limits: Limits = LIMITS, tls: Tls | None = None
) -> AsyncGenerator[Port]:
    """vm-1 is on a bridge and finds its documents there; vm-2 has a door in no network."""
    records, desk = VmRecords(journal=MemoryVmJournal(), changes=Changes()), ServedSeeds(Folders(root))
    (root / "vm-1").mkdir()
    await desk.lay_out(str(root / "vm-1"), SEED, "ds=nocloud")
    records.adopt(record("vm-1", MINE).with_machine(door=False, seed_served=True, bridges=("br0",)))
    records.adopt(record("vm-2", OTHERS))
    clock = SystemClock()
    doorways = Doorways(direct=True, operator=doorway)
    keeper = DoorKeeper(records=records, desk=desk, clock=clock, doorways=doorways)
    async with listening(HERE, GuestHttp(keeper, clock, limits).connected, tls=tls) as number:
        yield Port(number, records)


async def test_a_guest_finds_its_documents_and_reports_by_name_only(tmp_path: Path) -> None:
    async with port(tmp_path) as there:
        assert await there.says(get("user-data")) == (200, SEED.user_data.encode())
        # What anybody on the bridge could have said proves no key.
        assert await there.says(post(REPORT)) == (400, b"")
        assert await there.says(post(NAMES)) == (200, b"")
        guest = there.records.get("vm-1").report.guest
        assert guest is not None
        assert (guest.hostname, guest.host_keys) == ("web", ())
        assert await there.says(post(NAMES.replace(b"web", b"bad"))) == (410, b"")
        status, later = await there.says(get("meta-data"))
        assert (status, json.loads(later)["instance-id"]) == (200, "i-1")
        assert await there.says(get("user-data")) == (200, b"")


async def test_only_the_token_of_a_vm_that_reports_here_opens_it(tmp_path: Path) -> None:
    async with port(tmp_path) as there:
        # Of a VM whose door is in no network: there it belongs.
        assert await there.says(post(NAMES, token=OTHERS)) == (403, b"")
        for token in ("", "x", "x" * 128):
            assert await there.says(get("user-data", token=Secret(token))) == (403, b"")
        assert there.records.get("vm-2").report.guest is None
        assert await there.says(get("smbios-serial")) == (404, b"")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"PUT / HTTP/1.1\r\n\r\n", 405),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (post(length=LARGEST_BODY + 1), 413),
        (b"POST /a HTTP/1.1\r\n" + b"A: b\r\n" * 900, 431),
        (post(length=len(REPORT) + 1), 408),
        (b"POST /", 408),
        (b"", 408),
    ],
)
async def test_anything_else_gets_one_answer_in_time(tmp_path: Path, said: bytes, status: int) -> None:
    async with port(tmp_path) as there:
        assert (await there.says(said))[0] == status
        assert await there.says(post(NAMES)) == (200, b"")


async def test_one_that_drips_is_given_up(tmp_path: Path) -> None:
    async with port(tmp_path) as there, asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", there.number)
        ended = asyncio.create_task(reader.read(-1))
        dripped = 0
        with suppress(ConnectionError):
            for byte in post(b"x" * 9000):
                writer.write(bytes((byte,)))
                await writer.drain()
                dripped += 1
                await asyncio.wait({ended}, timeout=LIMITS.request / 20)
                if ended.done():
                    break
        # What it wrote last may have crossed with the answer: then the kernel says only that all is over.
        with suppress(ConnectionError):
            assert _answer(await ended)[0] == 408
        assert dripped < 9000
        writer.close()


async def test_one_address_holds_so_many_connections_and_the_next_is_closed(tmp_path: Path) -> None:
    limits = replace(LIMITS, connections_of_one=2, request=SECONDS)
    async with port(tmp_path, limits=limits) as there, asyncio.timeout(SECONDS):
        held = [await asyncio.open_connection("127.0.0.1", there.number) for _ in range(2)]
        assert await there.says(post(NAMES)) == (0, b"")
        for _, writer in held:
            writer.close()
        while await there.says(post(NAMES)) != (200, b""):
            pass


async def test_one_address_asks_so_often_in_a_minute(tmp_path: Path) -> None:
    async with port(tmp_path, limits=replace(LIMITS, a_minute=3)) as there:
        wrong = get("user-data", token=Secret("x"))
        assert [(await there.says(wrong))[0] for _ in range(3)] == [403] * 3
        assert await there.says(post(NAMES)) == (429, b"")


async def test_by_tls_a_guest_says_its_keys(tmp_path: Path) -> None:
    ca = trustme.CA()
    certificate = ca.issue_cert("127.0.0.1")
    cert, key = tmp_path / "cert", tmp_path / "key"
    certificate.cert_chain_pems[0].write_to_path(cert)
    certificate.private_key_pem.write_to_path(key)
    async with port(tmp_path, doorway=PRIVATE, tls=Tls(cert=cert, key=key)) as there:
        assert await there.says(post()) == (0, b"")
        there.context = ssl.create_default_context(cadata=ca.cert_pem.bytes().decode())
        assert await there.says(post()) == (200, b"")
        guest = there.records.get("vm-1").report.guest
        assert guest is not None
        assert guest.host_keys == (KEY,)


async def nobody(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def test_what_cannot_be_listened_at_is_named(tmp_path: Path) -> None:
    async with port(tmp_path) as there:
        taken = f"127.0.0.1:{there.number}"
        with pytest.raises(PortTaken, match=taken):
            async with listening(taken, nobody):
                pass
    with pytest.raises(InvalidSettings):
        async with listening(HERE, nobody, tls=Tls(cert=tmp_path, key=tmp_path)):
            pass


async def test_a_node_listens_for_guests_only_where_its_operator_says_so(tmp_path: Path) -> None:
    async with port(tmp_path) as there, AsyncExitStack() as stack:
        keeper = DoorKeeper(
            records=there.records,
            desk=ServedSeeds(Folders(tmp_path)),
            clock=SystemClock(),
            doorways=Doorways(),
        )
        none = Settings(data_dir=tmp_path, control_plane_url="http://127.0.0.1:1", join_token="x")
        await serve_guests(stack, none, keeper)
        taken = f"127.0.0.1:{there.number}"
        with pytest.raises(PortTaken, match=taken):
            await serve_guests(stack, replace(none, guest_listen=taken, guest_url=f"http://{taken}"), keeper)
