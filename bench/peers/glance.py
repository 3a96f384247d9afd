#!/usr/bin/env python3
"""OpenStack Glance as a peer: its own virtual environment, a SQLite database with images, uwsgi in front.

Run it alone to install it, or to see that it serves: .venv/bin/python bench/peers/glance.py [--images N]
Everything lives in one cache folder and is made once; remove the folder to begin anew. No Keystone: Glance's
default pipeline lets everybody in. uwsgi is built from source: that takes a C compiler and Python's headers.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Generator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT)]

from bench.cores import Running, served  # noqa: E402
from bench.free_port import free_port  # noqa: E402

PACKAGES = Path(__file__).with_name("glance.txt")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "limiquantix-bench"
_START_SECONDS = 60
_CONFIG = """\
[DEFAULT]
enabled_backends = files:file
log_file = {root}/glance.log
[glance_store]
default_backend = files
[files]
filesystem_store_datadir = {root}/files
[os_glance_staging_store]
filesystem_store_datadir = {root}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {root}/tasks
[database]
connection = sqlite:///{database}
# Who calls has no role without Keystone; the older rules do not ask for one.
[oslo_policy]
enforce_new_defaults = false
enforce_scope = false
[paste_deploy]
config_file = {root}/venv/etc/glance/glance-api-paste.ini
"""


@dataclass(frozen=True, kw_only=True)
class Glance:
    """Made and filled, not running."""

    root: Path
    images: int

    @property
    def config_dir(self) -> Path:
        return self.root / f"config-{self.images}"

    @property
    def database(self) -> Path:
        return self.root / f"images-{self.images}.db"

    def program(self, name: str) -> str:
        return str(self.root / "venv" / "bin" / name)

    def id_of(self, number: int) -> str:
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"image {number}"))


def prepared(images: int, cache: Path = CACHE) -> Glance:
    """Install what is missing and fill the database with so many images."""
    glance = Glance(root=cache / "glance", images=images)
    glance.root.mkdir(parents=True, exist_ok=True)
    _install(glance)
    _configure(glance)
    if not glance.database.exists():
        _fill(glance)
    return glance


def _install(glance: Glance) -> None:
    wanted, held = PACKAGES.read_text(), glance.root / "installed.txt"
    if held.exists() and held.read_text() == wanted:
        return
    print("installing Glance and uwsgi, once; it takes a minute", file=sys.stderr)
    shutil.rmtree(glance.root)
    subprocess.run([sys.executable, "-m", "venv", str(glance.root / "venv")], check=True)
    _run([glance.program("pip"), "install", "--quiet", "--requirement", str(PACKAGES)])
    held.write_text(wanted)


def _configure(glance: Glance) -> None:
    for folder in (glance.config_dir, *(glance.root / name for name in ("files", "staging", "tasks"))):
        folder.mkdir(exist_ok=True)
    text = _CONFIG.format(root=glance.root, database=glance.database)
    (glance.config_dir / "glance-api.conf").write_text(text)


def _fill(glance: Glance) -> None:
    """Straight into its tables: each image with a location, three properties and a tag, as a cloud has it."""
    draft = glance.config_dir / "draft.db"
    draft.unlink(missing_ok=True)
    config = glance.config_dir / "draft.conf"
    config.write_text(_CONFIG.format(root=glance.root, database=draft))
    _run([glance.program("glance-manage"), "--config-file", str(config), "db_sync"])
    with closing(sqlite3.connect(draft)) as connection:
        for number in range(glance.images):
            _insert(connection, glance, number)
        connection.commit()
    draft.rename(glance.database)


def _insert(connection: sqlite3.Connection, glance: Glance, number: int) -> None:
    image = glance.id_of(number)
    always = {"created_at": f"{datetime(2026, 1, 1) + timedelta(minutes=number)}.000000", "deleted": False}
    facts = {
        "id": image,
        "name": f"debian-12-{number}",
        "status": "active",
        "size": 400 << 20,
        "virtual_size": 3 << 30,
        "disk_format": "qcow2",
        "container_format": "bare",
        "checksum": f"{number:032x}",
        "os_hash_algo": "sha512",
        "os_hash_value": f"{number:0128x}",
        "owner": "default",
        "min_disk": 10,
        "min_ram": 512,
        "protected": False,
        "visibility": "public",
        "os_hidden": False,
        "updated_at": always["created_at"],
    }
    place = {"value": f"file://{glance.root}/files/{image}", "meta_data": '{"store": "files"}'}
    properties = {"os_distro": "debian", "os_version": "12", "architecture": "x86_64"}
    _add(connection, "images", facts | always)
    _add(connection, "image_locations", place | {"image_id": image, "status": "active"} | always)
    _add(connection, "image_tags", {"image_id": image, "value": "cloud"} | always)
    for name, value in properties.items():
        _add(connection, "image_properties", {"image_id": image, "name": name, "value": value} | always)


def _add(connection: sqlite3.Connection, table: str, row: Mapping[str, object]) -> None:
    places = ", ".join(f":{name}" for name in row)
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})", row)


@contextmanager
def serving(glance: Glance) -> Generator[Running]:
    """Until the block is left: one worker process with one thread on the servers' core."""
    port = free_port()
    command = [glance.program("uwsgi"), "--module", "glance.wsgi.api:application"]
    command += ["--http-socket", f"127.0.0.1:{port}", "--processes", "1", "--threads", "1"]
    command += ["--master", "--enable-threads", "--lazy-apps", "--need-app", "--die-on-term"]
    command += ["--disable-logging", "--buffer-size", "65535", "--logto", str(glance.root / "uwsgi.log")]
    environment = os.environ | {"OS_GLANCE_CONFIG_DIR": str(glance.config_dir)}
    process = subprocess.Popen(served(command), env=environment, stderr=subprocess.DEVNULL)
    try:
        _wait(process, port, glance)
        yield Running(port=port, pid=process.pid)
    finally:
        process.terminate()
        process.wait()


def _wait(process: subprocess.Popen[bytes], port: int, glance: Glance) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/images?limit=1"):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"Glance did not start; {glance.root}/uwsgi.log and glance.log say why.")


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        needs = "uwsgi needs a C compiler and Python's headers: apt-get install gcc python3-dev"
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}\n{needs}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=10_000)
    glance = prepared(parser.parse_args().images)
    with serving(glance) as peer:
        address = f"http://127.0.0.1:{peer.port}/v2/images?limit=1"
        print(f"Glance in {glance.root} serves: {urllib.request.urlopen(address).read().decode()[:300]}")


if __name__ == "__main__":
    main()
