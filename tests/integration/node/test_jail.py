"""What a program in the jail can do, behind each wall, and how every way of dying is told."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

import image_library
from image_library.domain.errors import JailedProgramDied, JailMissing
from image_library.node.adapters.jail import Jail, JailLimits, JailResult, Wall, best_wall

BASH = "/usr/bin/bash"
QUICK = JailLimits(wall_seconds=10, cpu_seconds=5)
WALLS = [Wall.LANDLOCK, Wall.BUBBLEWRAP]


@contextmanager
def opened(path: Path, flags: int = os.O_RDONLY) -> Generator[int]:
    descriptor = os.open(path, flags)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


async def shell(script: str, *, wall: Wall = Wall.LANDLOCK, limits: JailLimits = QUICK) -> JailResult:
    return await Jail(wall).run((BASH, "-c", script), limits=limits)


def test_this_machine_has_a_wall() -> None:
    assert best_wall() in WALLS


@pytest.mark.parametrize("wall", WALLS)
async def test_a_file_that_was_handed_over_is_read_by_both_its_names(tmp_path: Path, wall: Wall) -> None:
    (tmp_path / "a file").write_text("content")
    with opened(tmp_path / "a file") as file:
        for name in (f"/proc/self/fd/{file}", str(tmp_path / "a file")):
            ended = await Jail(wall).run((BASH, "-c", f'echo "$(<"{name}")"'), limits=QUICK, readable=(file,))
            assert ended == JailResult(status=0, output=b"content\n", said=b"")


@pytest.mark.parametrize("wall", WALLS)
async def test_no_other_file_can_be_read_written_or_removed(tmp_path: Path, wall: Wall) -> None:
    canary = tmp_path / "canary"
    canary.write_text("secret")
    script = f'echo "$(<{canary})"; echo x >{canary}; echo x >{tmp_path}/new; mapfile </etc/shadow'
    ended = await shell(script, wall=wall)
    assert b"secret" not in ended.output + ended.said
    assert canary.read_text() == "secret"
    assert os.listdir(tmp_path) == ["canary"]  # noqa: PTH208
    assert ended.status != 0


async def test_what_was_handed_over_for_reading_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("content")
    with opened(tmp_path / "file") as file:
        script = f"echo x >>/proc/self/fd/{file}"
        ended = await Jail(Wall.LANDLOCK).run((BASH, "-c", script), limits=QUICK, readable=(file,))
    assert ended.status != 0
    assert (tmp_path / "file").read_text() == "content"


@pytest.mark.parametrize("wall", WALLS)
async def test_what_was_handed_over_for_writing_is_written_up_to_its_limit(
    tmp_path: Path, wall: Wall
) -> None:
    (tmp_path / "file").touch()
    limits = JailLimits(wall_seconds=10, file_size=1000)
    with opened(tmp_path / "file", os.O_RDWR) as file:
        for words, size in (("hello", 6), ("{1..2000}", 1000)):
            argv = (BASH, "-c", f"trap '' XFSZ; echo {words} >/proc/self/fd/{file}")
            await Jail(wall).run(argv, limits=limits, writable=(file,))
            assert (tmp_path / "file").stat().st_size == size


@pytest.mark.parametrize("wall", WALLS)
@pytest.mark.parametrize("kind", ["tcp", "udp"])
async def test_there_is_no_network(wall: Wall, kind: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        port = server.getsockname()[1]
        await shell(f"echo x >/dev/{kind}/127.0.0.1/{port}", wall=wall)
        with pytest.raises(BlockingIOError):
            server.accept()
        datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with datagrams:
        datagrams.bind(("127.0.0.1", 0))
        datagrams.settimeout(0.2)
        await shell(f"echo x >/dev/udp/127.0.0.1/{datagrams.getsockname()[1]}", wall=wall)
        with pytest.raises(TimeoutError):
            datagrams.recv(10)


async def test_a_socket_that_landlock_does_not_know_is_denied_too() -> None:
    code = "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)"
    argv = (sys.executable, "-I", "-c", code)
    ended = await Jail(best_wall()).run(argv, limits=QUICK, places=(sys.prefix, sys.base_prefix))
    assert b"PermissionError" in ended.said


@pytest.mark.parametrize("wall", WALLS)
async def test_the_environment_is_empty_and_nothing_comes_in(wall: Wall) -> None:
    ended = await shell("read x; echo $?; declare -x", wall=wall)
    assert ended.output.startswith(b"1\n")
    assert b'LC_ALL="C"' in ended.output
    assert b"HOME" not in ended.output


async def test_other_open_files_do_not_come_along(tmp_path: Path) -> None:
    (tmp_path / "secret").touch()
    with opened(tmp_path / "secret") as file:
        os.set_inheritable(file, True)
        ended = await shell(f"[ -e /proc/self/fd/{file} ]; echo $?")
    assert ended.output == b"1\n"


WAYS_OF_DYING = {
    "hangs": ("while :; do :; done", JailLimits(wall_seconds=0.5), "did not finish within 0.5 s"),
    "closes its outputs and hangs": (
        "exec >&- 2>&-; while :; do :; done",
        JailLimits(wall_seconds=0.5),
        "did not finish",
    ),
    "computes too long": ("while :; do :; done", JailLimits(wall_seconds=20, cpu_seconds=1), "signal"),
    "says too much": ("while :; do echo xxxxxxxxxxxxxxxx; done", QUICK, "said more than 1048576 bytes"),
    "complains too much": ("while :; do echo xxxxxxxxxxxxxxxx >&2; done", QUICK, "said more than"),
    "is killed": ("kill -9 $$", QUICK, r"signal \(Killed\)"),
    "crashes": ("kill -SEGV $$", QUICK, r"signal \(Segmentation fault\)"),
}


@pytest.mark.parametrize("wall", WALLS)
@pytest.mark.parametrize("way", WAYS_OF_DYING)
async def test_every_way_of_dying_is_one_error(way: str, wall: Wall) -> None:
    script, limits, sentence = WAYS_OF_DYING[way]
    with pytest.raises(JailedProgramDied, match=sentence):
        await shell(script, wall=wall, limits=limits)


async def test_a_program_that_is_not_there_is_told() -> None:
    with pytest.raises(JailedProgramDied, match="could not be started in its jail"):
        await Jail(best_wall()).run(("/nonexistent/program",), limits=QUICK)


async def test_without_a_wall_nothing_is_started() -> None:
    with pytest.raises(JailMissing, match="bash is not started"):
        await Jail(None).run((BASH, "-c", ":"), limits=QUICK)


async def test_memory_beyond_the_limit_is_not_given() -> None:
    argv = (sys.executable, "-I", "-c", "bytes(900 << 20)")
    limits = JailLimits(memory=500 << 20)
    ended = await Jail(best_wall()).run(argv, limits=limits, places=(sys.prefix, sys.base_prefix))
    assert b"MemoryError" in ended.said


async def test_nothing_that_it_started_outlives_it(tmp_path: Path) -> None:
    """A child that keeps the outputs open, and one that does not; neither can leave the process group."""
    script = "(while :; do :; done) & (exec >&- 2>&-; while :; do :; done) & echo $!; kill -9 $$"
    with pytest.raises(JailedProgramDied):
        await shell(f": {tmp_path}; {script}", limits=JailLimits(wall_seconds=1))
    await until(lambda: not jailed(tmp_path))
    assert not jailed(tmp_path)


async def test_a_second_process_can_be_forbidden_even_to_root() -> None:
    ended = await shell("(:) && echo forked", limits=JailLimits(wall_seconds=10, processes=0))
    assert b"forked" not in ended.output


async def test_it_is_ended_when_its_caller_is_cancelled(tmp_path: Path) -> None:
    running = asyncio.ensure_future(shell(f": {tmp_path}; while :; do :; done"))
    await until(lambda: str(tmp_path) in command_lines())
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert str(tmp_path) not in command_lines()


ENDLESS = """
import asyncio, sys
from image_library.node.adapters.jail import Jail, JailLimits, best_wall
argv = ("/usr/bin/bash", "-c", f": {sys.argv[1]}; while :; do :; done")
asyncio.run(Jail(best_wall()).run(argv, limits=JailLimits(wall_seconds=60, cpu_seconds=60)))
"""


async def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    source = str(Path(image_library.__file__).parents[1])
    argv = (sys.executable, "-c", ENDLESS, str(tmp_path))
    caller = await asyncio.create_subprocess_exec(*argv, env={"PYTHONPATH": source})
    await until(lambda: jailed(tmp_path))
    caller.kill()
    await caller.wait()
    await until(lambda: not jailed(tmp_path))
    assert not jailed(tmp_path)


def jailed(mark: Path) -> bool:
    """Whether the program itself runs: what starts it names it in its own command line."""
    return any(line.startswith(BASH) and str(mark) in line for line in command_lines().splitlines())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def command_lines() -> str:
    lines: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_text().replace("\0", " ").replace("\n", " "))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return "\n".join(lines)
