"""Plants one bug after another in a copy of the tree, and sees that its tests turn red.

./test --planted            all of them
./test --planted ID ...     some of them
"""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE, STDOUT
from dataclasses import dataclass
from pathlib import Path

from tests.planted.bugs import ROOT, Bug, all_bugs

# Each in a tree of its own.
_AT_ONCE = 2
_SECONDS = 300
# Of pytest: a test failed. Anything else says that nothing was tested.
_RED, _GREEN = 1, 0
_LAST_LINES = 15


@dataclass(frozen=True, kw_only=True)
class Result:
    bug: Bug
    status: int
    seconds: float
    said: str

    @property
    def found(self) -> bool:
        return self.status == _RED

    @property
    def verdict(self) -> str:
        return {_RED: "found", _GREEN: "NOT FOUND"}.get(self.status, "NOT RUN")


def copied(target: Path) -> Path:
    """The tree as it is now, without what git does not know, and with the same packages."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        source = ROOT / name
        if source.is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)
    (target / ".venv").unlink(missing_ok=True)
    (target / ".venv").symlink_to((ROOT / ".venv").resolve())
    return target


async def tried(bug: Bug, root: Path) -> Result:
    path = bug.path(root)
    sound = path.read_text(encoding="utf-8")
    began = time.monotonic()
    try:
        path.write_text(bug.planted(sound), encoding="utf-8")
        status, said = await _pytest(bug, root)
    except ValueError as error:
        status, said = -1, str(error)
    finally:
        path.write_text(sound, encoding="utf-8")
    return Result(bug=bug, status=status, seconds=time.monotonic() - began, said=said)


async def _pytest(bug: Bug, root: Path) -> tuple[int, str]:
    command = [".venv/bin/python", "-B", "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *bug.tests]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=root, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT
    )
    try:
        async with asyncio.timeout(_SECONDS):
            said, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.communicate()
        return -1, f"it did not end within {_SECONDS} s"
    lines = said.decode(errors="replace").splitlines()[-_LAST_LINES:]
    return process.returncode or 0, "\n".join(lines)


async def _all(bugs: list[Bug], folder: Path) -> list[Result]:
    waiting, results = list(reversed(bugs)), list[Result]()

    async def work(root: Path) -> None:
        while waiting:
            result = await tried(waiting.pop(), root)
            results.append(result)
            bug = result.bug
            print(f"{result.verdict:9}  {result.seconds:5.1f} s  {bug.opens:4}  {bug.id}", flush=True)
            if not result.found:
                print(result.said, flush=True)

    trees = [copied(folder / str(number)) for number in range(min(_AT_ONCE, len(bugs)))]
    await asyncio.gather(*(work(tree) for tree in trees))
    return results


def main(wanted: list[str]) -> int:
    known = {bug.id: bug for bug in all_bugs()}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"There is no planted bug called {', '.join(unknown)}.", file=sys.stderr)
        return 2
    bugs = [known[name] for name in wanted] or list(known.values())
    with tempfile.TemporaryDirectory(prefix="planted-") as folder:
        results = asyncio.run(_all(bugs, Path(folder)))
    missed = [result.bug.id for result in results if not result.found]
    print(f"{len(results) - len(missed)} of {len(results)} planted bugs were found.")
    if missed:
        print(f"Not found: {', '.join(missed)}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
