"""The programs that stay: control plane and node, alone or together, from settings to the last signal.

The only module that knows both programs. In ``up`` they still meet on the wire and nowhere else.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from image_library.cli.places import DataDir
from image_library.cli.settings import Settings
from image_library.domain.errors import InvalidSettings, StoreNotWritable, printable

if TYPE_CHECKING:
    from image_library.controlplane.app import ControlPlaneHandle
    from image_library.controlplane.settings import Settings as ControlPlaneSettings
    from image_library.node.settings import Settings as NodeSettings

# The embedded node is called from this process only; which port it has is of no interest.
EMBEDDED_LISTEN = "127.0.0.1:0"
# New objects before the youngest are looked through, and how many such looks before the next older ones. The
# interpreter's own (700, 10, 10) stops the loop for 0.4 s every few seconds where many images are remembered.
RARE_COLLECTIONS = (50_000, 20, 100)


@dataclass(frozen=True, kw_only=True)
class Ready:
    """What a program says once it serves: for other programs, and for people."""

    url: str
    sentence: str
    # How a browser signs in; empty where it need not. A secret: said to whoever started the program only.
    invitation: str = field(default="", repr=False)


Announce = Callable[[Ready], None]


def run(program: str, settings: Settings, *, announce: Announce) -> None:
    """Runs "up", "controlplane" or "node" until it is told to stop by SIGINT or SIGTERM.

    Raises LibraryError for whatever keeps it from starting.
    """
    # gRPC's own handlers around fork crash one in ten children (qemu, qemu-img) between fork and exec. A
    # child of ours never speaks gRPC, so none is needed. gRPC reads it when it is imported.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    # What starting up makes stays: looking through it for garbage costs a sixth of the start.
    gc.disable()
    import uvloop

    from image_library.observability.logs import set_up_logs

    set_up_logs(settings.log_format)
    # Whatever is made from here on is this user's alone.
    os.umask(0o077)
    starting = {"up": up, "controlplane": controlplane, "node": node}[program]

    def ready(said: Ready) -> None:
        gc.freeze()
        gc.set_threshold(*RARE_COLLECTIONS)
        gc.enable()
        announce(said)

    uvloop.run(_until_told(lambda told: starting(settings, ready, told)))


async def up(settings: Settings, announce: Announce, told: asyncio.Event) -> None:
    """Control plane and node in one loop. Ready once the node is known, so that whoever waits can launch."""
    from image_library.controlplane.app import run_control_plane
    from image_library.node.app import run_node

    data_dir = DataDir(settings.data_dir)
    async with run_control_plane(control_plane_settings(settings, apart=False)) as serving:
        own = node_settings(settings, control_plane=serving.url, join_token=serving.join_token, apart=False)
        async with run_node(own) as started:
            if not await _first(started.established.wait(), told):
                return
            with described(data_dir, url=serving.url, ca=settings.tls_ca):
                sentence = _sentence(settings, serving.url, data_dir)
                announce(Ready(url=serving.url, sentence=sentence, invitation=_invitation(settings, serving)))
                await told.wait()


async def controlplane(settings: Settings, announce: Announce, told: asyncio.Event) -> None:
    """The control plane alone."""
    from image_library.controlplane.app import run_control_plane

    data_dir = DataDir(settings.data_dir)
    async with run_control_plane(control_plane_settings(settings, apart=True)) as serving:
        with described(data_dir, url=serving.url, ca=settings.tls_ca):
            join = f" Nodes join with {settings.join_token_file or data_dir.join_token}."
            sentence = _sentence(settings, serving.url, data_dir) + join
            announce(Ready(url=serving.url, sentence=sentence, invitation=_invitation(settings, serving)))
            await told.wait()


async def node(settings: Settings, announce: Announce, told: asyncio.Event) -> None:
    """A node alone. Ready once the control plane knows it, however long that takes."""
    from image_library.node.app import run_node

    if not settings.control_plane:
        raise InvalidSettings(
            "A node needs its control plane.", remedy="Name it: --control-plane URL.", field="control_plane"
        )
    file = settings.join_token_file or DataDir(settings.data_dir).join_token
    own = node_settings(
        settings, control_plane=settings.control_plane, join_token=read_token(file), apart=True
    )
    async with run_node(own) as started:
        if await _first(started.established.wait(), told):
            sentence = f"Node {started.node_id} serves {settings.control_plane} at {started.endpoint}."
            announce(Ready(url=f"grpc://{started.endpoint}", sentence=sentence))
            await told.wait()


# Settings of the control plane that are called the same on the command line.
_AS_GIVEN = ("listen", "refresh", "min_trust", "require_boot_proof", "catalog_keys", "catalog_url")

_NODE_AS_GIVEN = ("hypervisor", "libvirt_uri", "bridges", "guest_listen", "guest_url")


def control_plane_settings(settings: Settings, *, apart: bool) -> ControlPlaneSettings:
    """``apart``: its nodes are other programs, whose certificates are checked where there are authorities."""
    from image_library.controlplane.settings import Settings as ControlPlaneSettings

    given = {name: said for name in _AS_GIVEN if (said := getattr(settings, name))}
    token = read_token(settings.join_token_file) if settings.join_token_file else ""
    return ControlPlaneSettings(
        data_dir=settings.data_dir,
        no_auth=not settings.auth,
        allowed_hosts=settings.allowed_hosts,
        catalog_file=settings.catalog,
        database_url=settings.database_url,
        tls_cert=settings.tls_cert,
        tls_key=settings.tls_key,
        node_ca=settings.tls_ca if apart else None,
        join_token=token,
        **given,
        **_numbers(settings, ControlPlaneSettings),
    )


def _numbers(settings: Settings, program: type[Any]) -> dict[str, Any]:
    """The numbers that are the program's own."""
    own = {field.name for field in fields(program)}
    return {name: number for name, number in settings.numbers.items() if name in own}


def node_settings(settings: Settings, *, control_plane: str, join_token: str, apart: bool) -> NodeSettings:
    """``apart``: a program of its own, with an address and certificates of its own."""
    from image_library.node.settings import Settings as NodeSettings

    given: dict[str, Any] = {
        "listen": (settings.listen if apart else "") or EMBEDDED_LISTEN,
        "accelerator": settings.accel or "auto",
        # Also where the node itself is only called on loopback.
        "guest_tls_cert": settings.tls_cert,
        "guest_tls_key": settings.tls_key,
    }
    if apart:
        given |= {"advertise": settings.advertise, "tls_cert": settings.tls_cert, "tls_key": settings.tls_key}
    if settings.max_virtual_size:
        given["max_virtual_size"] = settings.max_virtual_size
    given |= {name: said for name in _NODE_AS_GIVEN if (said := getattr(settings, name))}
    return NodeSettings(
        data_dir=settings.data_dir,
        control_plane_url=control_plane,
        join_token=join_token,
        mirror=settings.mirror,
        image_mirrors=settings.image_mirrors,
        allow_sources=settings.allow_sources,
        deny_sources=settings.deny_sources,
        source_ca=settings.source_ca,
        source_credentials=settings.source_credentials,
        control_plane_ca=settings.tls_ca,
        hostname=settings.hostname,
        accept_store=settings.accept_store,
        allow_unjailed=settings.allow_unjailed,
        **given,
        **_numbers(settings, NodeSettings),
    )


def read_token(path: Path) -> str:
    """The token in a file. Raises InvalidSettings when there is none."""
    name = printable(str(path))
    remedy = "Copy it from the control plane's data directory, or name it with --join-token-file."
    try:
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        message = f"The join token '{name}' cannot be read: {error.strerror}."
        raise InvalidSettings(message, remedy=remedy, field="join_token_file") from None
    except UnicodeDecodeError:
        token = ""
    if not token or len(token.split()) != 1:
        raise InvalidSettings(f"'{name}' holds no token.", remedy=remedy, field="join_token_file")
    return token


@contextmanager
def described(data_dir: DataDir, *, url: str, ca: Path | None) -> Generator[None]:
    """server.json, by which the command line finds the server, for as long as the block lasts."""
    path = data_dir.server_file
    facts = {"url": url, "pid": os.getpid(), **({"ca": str(ca)} if ca else {})}
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(json.dumps(facts) + "\n")
        draft.rename(path)
    except OSError as error:
        raise StoreNotWritable(f"{path} cannot be written: {error.strerror}.") from None
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _sentence(settings: Settings, url: str, data_dir: DataDir) -> str:
    if not settings.auth:
        return f"Listening on {url}. WARNING: every program on this machine may call it (--no-auth)."
    return f"Listening on {url}. The token is in {data_dir.token}."


def _invitation(settings: Settings, serving: ControlPlaneHandle) -> str:
    if not settings.auth:
        return f"In a browser: {serving.url}"
    return f"In a browser, once and within a quarter of an hour: {serving.sign_in_link()}"


async def _until_told(body: Callable[[asyncio.Event], Coroutine[Any, Any, None]]) -> None:
    """Runs ``body`` with an event that the first SIGINT or SIGTERM sets; the second one ends it hard."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    signals = (signal.SIGINT, signal.SIGTERM)

    def tell() -> None:
        told.set()
        for number in signals:
            loop.remove_signal_handler(number)

    for number in signals:
        loop.add_signal_handler(number, tell)
    await body(told)


async def _first(wanted: Awaitable[object], told: asyncio.Event) -> bool:
    """Whether ``wanted`` came before the signal to stop."""
    waiting, stop = asyncio.ensure_future(wanted), asyncio.ensure_future(told.wait())
    try:
        await asyncio.wait({waiting, stop}, return_when=asyncio.FIRST_COMPLETED)
        return waiting.done()
    finally:
        waiting.cancel()
        stop.cancel()
