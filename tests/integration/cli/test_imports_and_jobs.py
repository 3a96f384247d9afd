"""``images import`` and the ``jobs`` commands, and calls that are sent again."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from protobuf.wkt import Timestamp

from image_library.cli.clients import Library
from image_library.cli.repeating import PAUSES, Repeating
from image_library.cli.servers import Server
from image_library.domain.errors import NameTaken, ServerUnreachable
from limiquantix.compute.v1.node_pb import Node
from limiquantix.storage.v1.image_pb import (
    ImageSpec,
    ImportImageRequest,
    ImportStatus,
    JobExplanation,
    ListJobsRequest,
    OsInfo,
    RetryImportRequest,
)
from limiquantix.storage.v1.trust_pb import TrustLevel
from tests.fakes.server import TOKEN, FakeLibrary, debian, image_of, progress
from tests.integration.cli.conftest import Cli

URL = "https://example.org/web.qcow2"


def test_an_import_says_all_that_was_said(cli: Cli, library: FakeLibrary) -> None:
    words = (
        "--name",
        "web",
        "--checksum",
        "sha256:ab",
        "--node",
        "n1",
        "--format",
        "raw",
        "--project",
        "shop",
    )
    os = ("--os-family", "linux", "--os-distribution", "debian", "--os-version", "12", "--os-user", "ops")
    more = ("--label", "tier=front", "--label", "odd=a=b", "--visibility", "public", "--description", "x")
    ended = cli("images", "import", URL, *words, *os, *more)
    assert ended.code == 0
    [asked] = library.asked(ImportImageRequest)
    assert (asked.url, asked.name, asked.checksum, asked.node_id) == (URL, "web", "sha256:ab", "n1")
    assert (asked.format, asked.project_id, asked.description) == ("raw", "shop", "x")
    assert (dict(asked.labels), asked.visibility) == (
        {"tier": "front", "odd": "a=b"},
        ImageSpec.Visibility.PUBLIC,
    )
    assert asked.os_info is not None
    assert (asked.os_info.family, asked.os_info.distribution) == (OsInfo.OsFamily.LINUX, "debian")
    assert "verifying" in ended.err
    assert "unverified" not in ended.err


def test_an_import_without_a_checksum_warns_and_tells_what_was_measured(
    cli: Cli, library: FakeLibrary
) -> None:
    image = image_of(debian())
    assert image.status is not None
    image.status.trust, image.status.digest = TrustLevel.UNVERIFIED, "sha256:abcd"
    library.images.append(image)
    ended = cli("images", "import", URL)
    assert "the image will be unverified" in ended.err
    assert ended.out.endswith("Unverified. It was measured as sha256:abcd.\n")
    assert library.asked(ImportImageRequest)[0].os_info is None
    document = cli("images", "import", URL, "--json").document
    assert (document["job"]["stage"], document["image"]["status"]["trust"]) == (
        "ready",
        "TRUST_LEVEL_UNVERIFIED",
    )


def test_an_import_can_be_left_alone(cli: Cli) -> None:
    assert cli("images", "import", URL, "--checksum-file-url", f"{URL}.sha256", "--no-wait").out == "job-1\n"


@pytest.mark.parametrize("words", [("--label", "x"), ("--visibility", "everybody"), ("--os-family", "beos")])
def test_words_that_mean_nothing_are_refused(cli: Cli, library: FakeLibrary, words: tuple[str, ...]) -> None:
    assert cli("images", "import", URL, *words).code == 2
    assert library.asked(ImportImageRequest) == []


def test_a_refused_import_ends_with_its_code(cli: Cli, library: FakeLibrary) -> None:
    library.failing["import"] = NameTaken("An image 'web' exists already.", field="name")
    assert cli("images", "import", URL).code == 4


def test_jobs_are_listed_with_their_kinds_and_filtered(cli: Cli, library: FakeLibrary) -> None:
    library.images.append(image_of(debian()))
    library.nodes.append(Node(id="node-1", hostname="box"))
    library.jobs.append(progress("fetching", kind="import"))
    filters = ("--image", "debian-12", "--node", "box", "--kind", "import", "--kind", "upload", "--active")
    ended = cli("jobs", "list", *filters)
    assert "import" in ended.out
    asked = library.asked(ListJobsRequest)[-1]
    assert (asked.image_id, asked.node_id, list(asked.kinds), asked.active_only) == (
        "img-1",
        "node-1",
        ["import", "upload"],
        True,
    )
    assert cli("jobs", "list", "--node", "nowhere").code == 3


def test_a_job_is_tried_again_and_followed(cli: Cli, library: FakeLibrary) -> None:
    assert cli("jobs", "retry", "job-0").out.startswith("debian-12: ready, 100 %")
    assert cli("jobs", "retry", "job-0", "--no-wait").out == "job-1\n"
    assert cli("jobs", "retry", "job-0", "--no-wait", "--json").document["retryOf"] == "job-0"
    assert library.asked(RetryImportRequest)[0].job_id == "job-0"


def test_a_job_is_explained(cli: Cli, library: FakeLibrary) -> None:
    library.explanation = JobExplanation(
        job_id="job-1",
        summary="Job job-1 imports 'web' to box.",
        steps=["Asked for.", "Next: Fetch it."],
        waiting_for="better times",
        waiting_since=Timestamp(seconds=1_700_000_000),
        attempt=2,
        attempts=8,
        next_try_at=Timestamp(seconds=1_700_000_060),
        next_source=URL,
    )
    lines = cli("jobs", "explain", "job-1").out.splitlines()
    assert lines[0] == "Job job-1 imports 'web' to box."
    assert lines[1].startswith("Waiting since 2023-11-14 22:13:20Z")
    assert lines[2] == "Try 2 of 8 begins at 2023-11-14 22:14:20Z."
    assert lines[3:] == [f"It would fetch next from {URL}", "", "- Asked for.", "- Next: Fetch it."]
    assert cli("jobs", "explain", "job-1", "--json").document["attempts"] == 8


def test_each_call_has_a_key_of_its_own(cli: Cli, library: FakeLibrary) -> None:
    for _ in range(2):
        cli("images", "import", URL, "--no-wait")
    assert len(set(library.keys)) == 2
    assert all(len(key) == 32 for key in library.keys)


@pytest.fixture
def breaking(server: str) -> Iterator[Any]:
    """A way to the server that loses the answer of the first calls, after they were done."""
    port = urlsplit(server).port
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:

        def relay() -> None:
            lost = 0
            while True:
                try:
                    near, _ = listening.accept()
                except OSError:
                    return
                with closing(near), closing(socket.create_connection(("127.0.0.1", port))) as far:
                    far.sendall(_request(near))
                    answer = _all_of(far)
                    lost += 1
                    if lost > 2:
                        near.sendall(answer)

        thread = threading.Thread(target=relay, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(10)


def _request(near: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += near.recv(1 << 16)
    head, _, body = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += near.recv(1 << 16)
    return head + b"\r\nConnection: close\r\n\r\n" + body


def _all_of(far: socket.socket) -> bytes:
    return b"".join(iter(lambda: far.recv(1 << 16), b""))


def test_a_call_whose_answer_is_lost_is_sent_again_under_its_key(
    breaking: str, library: FakeLibrary, monkeypatch: pytest.MonkeyPatch, data_dir: Path
) -> None:
    images = Library(Server(url=breaking, token=TOKEN)).images
    assert images.import_image(ImportImageRequest(url=URL)).job_id == "job-1"
    assert len(library.keys) == 3
    assert len(set(library.keys)) == 1


class Ctx:
    def __init__(self, rpc: str) -> None:
        self.method = type("Method", (), {"name": rpc})()
        self.request_headers: dict[str, str] = {}


def lost(request: str, ctx: Any) -> str:
    raise ServerUnreachable("Gone.") from ConnectionResetError()


def test_a_call_is_not_sent_again_for_ever() -> None:
    slept: list[float] = []
    with pytest.raises(ServerUnreachable):
        Repeating(sleep=slept.append).intercept_unary_sync(lost, "x", Ctx("ImportImage"))
    assert tuple(slept) == PAUSES


@pytest.mark.parametrize(
    ("rpc", "cause"), [("ListJobs", ConnectionResetError()), ("ImportImage", ConnectionRefusedError())]
)
def test_a_read_or_a_server_that_was_never_there_is_not_repeated(rpc: str, cause: Exception) -> None:
    slept: list[float] = []

    def refused(request: str, ctx: Any) -> ImportStatus:
        raise ServerUnreachable("Gone.") from cause

    with pytest.raises(ServerUnreachable):
        Repeating(sleep=slept.append).intercept_unary_sync(refused, "x", Ctx(rpc))
    assert slept == []
