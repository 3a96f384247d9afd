"""Secrets of every kind through the real programs: they come out on the VMs' own seeds and nowhere else."""

from __future__ import annotations

import base64
import json
import sqlite3
import subprocess
import threading
import time
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.integration.node.vms.guests import idle_guest
from tests.support.processes import Program, environment, run_cli

USER, SECOND, PARAMETER = "Canary-user-1q", "Canary-second-2q", "Canary-parameter-3q"
ADMINISTRATOR, DOMAIN, KEY = "Canary-admin-4q", "Canary-domain-5q", "CNRY6-AAAAA-BBBBB-CCCCC-DDDDD"
CANARIES = (USER, SECOND, PARAMETER, ADMINISTRATOR, DOMAIN, KEY)
# As Windows Setup has it, which anybody can undo.
HIDDEN = base64.b64encode(f"{ADMINISTRATOR}AdministratorPassword".encode("utf-16-le")).decode()
WORDS = tuple(word.encode() for word in (*CANARIES, HIDDEN))
PROFILE = """
name = "appliance"
[[provisioning.users]]
password = "${param.pw}"
[[parameters]]
name = "pw"
type = "secret"
required = true
"""
LINUX = f'[[users]]\nname = "second"\npassword = "{SECOND}"\n'
WINDOWS = f"""
[sysprep]
administrator_password = "{ADMINISTRATOR}"
product_key = "{KEY}"
domain = "example.com"
domain_user = "joiner"
domain_password = "{DOMAIN}"
"""
# The seeds are what the secrets are for; the log of a database that is open may hold what was just in it.
SPARED = ("seed.iso", "controlplane.db-wal")
SECONDS = 60.0


@contextmanager
def watched_processes() -> Generator[set[str]]:
    """The command lines and environments of whatever runs meanwhile, as far as they tell a secret."""
    told: set[str] = set()
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            told.update(
                f"{path.parent.name}: {path.name}"
                for name in ("cmdline", "environ")
                for path in Path("/proc").glob(f"[0-9]*/{name}")
                if any(word in _bytes(path) for word in WORDS)
            )

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield told
    finally:
        over.set()
        watching.join()


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def told_by(data_dir: Path) -> list[str]:
    files = (path for path in data_dir.rglob("*") if path.is_file() and path.name not in SPARED)
    return [path.name for path in files if any(word in _bytes(path) for word in WORDS)]


def once_made(name: str, env: dict[str, str]) -> None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        shown = json.loads(run_cli(["--json", "vms", "show", name], env).stdout)
        if shown.get("vm", shown)["status"]["state"] == "STOPPED":
            return
        time.sleep(0.2)
    pytest.fail(f"{name} was not made.")


@pytest.mark.timeout(900)
def test_a_secret_is_on_its_seed_and_nowhere_else(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    (data_dir / "cloud-images").mkdir(parents=True)
    idle_guest(data_dir / "cloud-images/golden.img")
    for name, text in {
        "profile.toml": PROFILE,
        "linux.toml": LINUX,
        "windows.toml": WINDOWS,
        "odd.toml": f'{WINDOWS}timezone = "no such zone\\u0007"\n',
        "password": USER,
        "parameter": PARAMETER,
    }.items():
        (tmp_path / name).write_text(f"{text}\n")
    env = environment(data_dir, LIMIQUANTIX_DEBUG="1")
    linux = [
        *("--profile", "appliance", "--secret-param", f"pw={tmp_path}/parameter"),
        *("--password-file", f"{tmp_path}/password", "--provisioning", f"{tmp_path}/linux.toml"),
        *("--user", "someone", "--ssh-key", ""),
    ]
    windows = ["--provisioning", f"{tmp_path}/windows.toml"]
    said: list[subprocess.CompletedProcess[str]] = []

    def cli(*words: str) -> int:
        said.append(run_cli(words, env))
        return said[-1].returncode

    with Program.start(["up", "--json", "--listen", "127.0.0.1:0"], env) as up, watched_processes() as seen:
        assert cli("profiles", "create", f"{tmp_path}/profile.toml") == 0
        # A password of the user who logs in may be in one place only.
        for asked in ([*linux[:4], *linux[6:]], linux[4:]):
            name = f"linux-{len(said)}"
            assert cli("vms", "create", "golden", "--name", name, "--no-start", *asked) == 0, said[-1].stderr
            once_made(name, env)
        for looked_at in (linux[4:], windows):
            assert cli("vms", "preview", "golden", *looked_at) == 0, said[-1].stderr
        assert cli("--json", "vms", "preflight", "golden", *windows) in (0, 1, 2, 6)
        assert cli("vms", "create", "golden", "--name", "w", "--no-start", "--force", *windows) == 0
        once_made("w", env)
        assert cli("vms", "create", "golden", "--name", "x", "--provisioning", f"{tmp_path}/odd.toml") != 0
        # A name that is taken, after everything was read.
        assert cli("vms", "create", "golden", "--name", "w", "--no-start", "--force", *windows) != 0
        for words in ("vms list", "vms show w", "jobs list", "profiles show appliance"):
            assert cli("--json", *words.split()) == 0
        with closing(sqlite3.connect(data_dir / "controlplane.db")) as database:
            rows = "\n".join(database.iterdump())
        assert told_by(data_dir) == []
    assert seen == set()
    everything = "".join(done.stdout + done.stderr for done in said) + up.said + rows
    assert [word.decode() for word in WORDS if word.decode() in everything] == []
    # It was not in vain: Setup can read them.
    seeds = [path.read_bytes() for path in data_dir.rglob("seed.iso")]
    assert any(HIDDEN.encode() in seed and DOMAIN.encode() in seed for seed in seeds)
    for hashed in (USER, SECOND, PARAMETER, ADMINISTRATOR):
        assert not any(hashed.encode() in seed for seed in seeds)
