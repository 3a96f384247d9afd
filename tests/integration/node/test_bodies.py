"""The end of a body, where its source closes the connection while nobody reads."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Callable

import pytest
import trustme
import uvloop

from image_library.domain.addresses import AllowedSources
from image_library.node.adapters.fetcher.bodies import body_of
from image_library.node.adapters.fetcher.connector import judged_connector
from image_library.node.adapters.fetcher.http_fetcher import open_session
from image_library.node.adapters.fetcher.policy import SourcePolicy

CA = trustme.CA()
KIB, MIB = 1 << 10, 1 << 20


def send_and_go(listening: socket.socket, size: int, context: ssl.SSLContext | None) -> None:
    """One answer, and the connection is closed: without waiting for the other side's word, as servers do."""
    connection, _ = listening.accept()
    with context.wrap_socket(connection, server_side=True) if context else connection as spoken:
        spoken.recv(4096)
        spoken.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode() + bytes(size))


async def read_late(size: int, *, tls: bool) -> int:
    """Bytes of a body that its reader comes back to only after the source has closed the connection."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with CA.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.tempfile() as pem:
        context.load_cert_chain(pem)
    policy = SourcePolicy(allowed=AllowedSources.parse("127.0.0.0/8"))
    trusted = ssl.create_default_context(cadata=CA.cert_pem.bytes().decode())
    with socket.create_server(("127.0.0.1", 0)) as listening:
        sender = threading.Thread(target=send_and_go, args=(listening, size, context if tls else None))
        sender.start()
        url = f"{'https' if tls else 'http'}://127.0.0.1:{listening.getsockname()[1]}/x"
        async with open_session(judged_connector(policy, tls=trusted)) as session:
            response = await session.get(url)
            body = body_of(response)
            came = len(await body.read())
            # Where more is sent than the kernel holds, it is gone only when most was read.
            while size - came > MIB and (block := await body.read()):
                came += len(block)
            # Without the loop: it then meets the rest of the body and the end of the connection at once.
            sender.join(timeout=10)
            while block := await body.read():
                came += len(block)
            response.close()
    return came


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("size", [300 * KIB, 1550 * KIB, 1950 * KIB, 2050 * KIB, 2250 * KIB, 2950 * KIB])
def test_a_body_is_whole_though_its_source_has_gone(
    size: int, *, tls: bool, loop: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    with asyncio.Runner(loop_factory=loop) as runner:
        assert runner.run(read_late(size, tls=tls)) == size
