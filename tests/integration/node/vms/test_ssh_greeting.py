import asyncio

import pytest

from image_library.node.adapters.hypervisors.qemu.window import QemuWindow
from tests.fakes.hypervisor import MemoryFolders


@pytest.mark.parametrize(
    ("greeting", "expected"), [(b"SSH-2.0-OpenSSH_9.2\r\n", True), (b"HTTP/1.1 400\r\n", False), (b"", False)]
)
async def test_only_an_ssh_servers_greeting_counts(greeting: bytes, *, expected: bool) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        assert await QemuWindow(MemoryFolders()).ssh_answers(port) is expected


async def test_nobody_there_is_no_answer() -> None:
    async with await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
    assert not await QemuWindow(MemoryFolders()).ssh_answers(port)
