"""nginx on loopback as a publisher: over http, over https, and with a limit for each connection."""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import trustme

from tests.fakes.node_images import Qcow2

HOST = "cloud.example.org/images"
_CONFIG = """
daemon off; worker_processes 1; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off; sendfile on; tcp_nopush on;
  client_body_temp_path {root}/b; proxy_temp_path {root}/p; fastcgi_temp_path {root}/f;
  uwsgi_temp_path {root}/u; scgi_temp_path {root}/s;
  server {{ listen 127.0.0.1:{http}; root {root}/files; }}
  server {{ listen 127.0.0.1:{slow}; root {root}/files; limit_rate {limit}m; }}
  server {{
    listen 127.0.0.1:{https} ssl; root {root}/files;
    ssl_certificate {root}/server.pem; ssl_certificate_key {root}/server.pem;
  }}
}}
"""


@dataclass(frozen=True, kw_only=True)
class Publisher:
    http: str
    https: str
    # So many MiB a second and connection.
    slow: str
    # The authority of its certificate.
    ca: Path
    # The folder that it serves.
    files: Path


def make_image(path: Path, mib: int) -> None:
    """A file with a true header and noise; not random enough to fool anybody, but not compressible either."""
    noise = os.urandom(1 << 20)
    with path.open("wb") as file:
        file.write(Qcow2().file(1 << 20))
        for number in range(1, mib):
            file.write(number.to_bytes(8, "big") + noise[8:])


def publish(root: Path, name: str, mib: int) -> None:
    """The image with its checksum files, NAME.SHA256 and NAME.SHA512."""
    folder = root / "files" / HOST
    folder.mkdir(parents=True, exist_ok=True)
    make_image(folder / name, mib)
    for algorithm in ("sha256", "sha512"):
        with (folder / name).open("rb") as file:
            digest = hashlib.file_digest(file, algorithm).hexdigest()
        (folder / f"{name}.{algorithm.upper()}").write_text(f"{digest}  {name}\n")


@contextmanager
def serving(root: Path, *, limit_mib: int) -> Generator[Publisher]:
    """nginx over what was published below ``root``, until the block is left."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    if program is None:
        sys.exit("nginx is missing: apt-get install nginx-light")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(root / "ca.pem"))
    authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(root / "server.pem"))
    http, https, slow = (_free_port() for _ in range(3))
    config = root / "nginx.conf"
    config.write_text(_CONFIG.format(root=root, http=http, https=https, slow=slow, limit=limit_mib))
    # As the user who runs this: a worker under another name could not read the files.
    user = ["-g", "user root;"] if os.geteuid() == 0 else []
    process = subprocess.Popen([program, "-c", str(config), "-p", str(root), *user])
    try:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", https)) == 0:
                    break
            time.sleep(0.05)
        yield Publisher(
            http=f"http://127.0.0.1:{http}",
            https=f"https://127.0.0.1:{https}",
            slow=f"http://127.0.0.1:{slow}",
            ca=root / "ca.pem",
            files=root / "files",
        )
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]
