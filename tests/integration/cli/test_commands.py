"""Every command, for people and with --json."""

from __future__ import annotations

import pytest

from image_library.domain.errors import ImageInUse, NodeUnreachable
from limiquantix.compute.v1.node_pb import Node, NodeFacts, NodeStatus
from limiquantix.compute.v1.vm_pb import StopVMRequest, VirtualMachine, VmStatus
from limiquantix.storage.v1.image_pb import DownloadImageRequest, ImageStatus, ImportStatus, ListImagesRequest
from tests.fakes.server import WHOLE, FakeLibrary, debian, image_of, progress
from tests.integration.cli.conftest import Cli


def a_vm(name: str = "web", vm_id: str = "vm-1", **status: object) -> VirtualMachine:
    facts: dict[str, object] = {
        "state": VmStatus.PowerState.RUNNING,
        "ssh_host": "127.0.0.1",
        "ssh_port": 40022,
        "ssh_user": "debian",
    }
    return VirtualMachine(id=vm_id, name=name, status=VmStatus(**{**facts, **status}))  # type: ignore[arg-type]


def test_the_catalog_tells_how_an_image_is_verified_and_when_its_support_ends(
    cli: Cli, library: FakeLibrary
) -> None:
    library.catalog.append(debian(id="old-1", name="Old", end_of_life=True, support_ends="2020-01-01"))
    library.images.append(image_of(library.catalog[0]))
    lines = cli("images", "catalog").out.splitlines()
    assert lines[0].split()[:2] == ["ID", "NAME"]
    assert "2028-06-30" in lines[1]
    assert lines[1].rstrip().endswith("yes")
    assert "2020-01-01 (ended)" in lines[2]


def test_json_is_one_document_wherever_the_option_stands(cli: Cli) -> None:
    before, after = cli("--json", "images", "catalog"), cli("images", "catalog", "--json")
    assert before.document == after.document
    assert before.document["images"][0]["id"] == "debian-12"
    assert before.err == ""


def test_every_page_of_a_list_is_asked_for(cli: Cli, library: FakeLibrary) -> None:
    library.images = [image_of(debian(id=f"image-{n}"), image_id=f"img-{n}") for n in range(5)]
    assert [i["name"] for i in cli("images", "list", "--json").document["images"]] == [
        f"image-{n}" for n in range(5)
    ]
    assert len(cli("images", "list").out.splitlines()) == 6


def test_a_list_is_asked_for_what_was_meant(cli: Cli, library: FakeLibrary) -> None:
    library.nodes.append(Node(id="n1", hostname="alpha"))
    ended = cli(
        *("images", "list", "--where", "node=alpha", "--where", "phase=ready", "--order", "name"),
        *("--all-versions", "--hidden"),
    )
    assert "There are no images like this." in ended.err
    [asked] = library.asked(ListImagesRequest)
    assert (asked.node_id, asked.phases, asked.order_by) == ("n1", [ImageStatus.Phase.READY], "name")
    assert asked.all_versions
    assert asked.hidden_too
    refused = cli("images", "list", "--where", "colour=red", "--json")
    assert (refused.code, refused.document["error"]["field"]) == (2, "where")


def test_a_list_with_a_limit_tells_how_to_go_on(cli: Cli, library: FakeLibrary) -> None:
    library.images = [image_of(debian(id=f"image-{n}"), image_id=f"img-{n}") for n in range(5)]
    first = cli("images", "list", "--limit", "2")
    assert len(first.out.splitlines()) == 3
    assert "5 in all. Go on with --page-token 2" in first.err
    rest = cli("images", "list", "--page-token", "2", "--json").document
    assert [image["name"] for image in rest["images"]] == ["image-2", "image-3", "image-4"]
    assert (rest["totalCount"], rest["nextPageToken"]) == (5, "")


def test_a_version_that_no_name_points_to_is_told_by_its_number(cli: Cli, library: FakeLibrary) -> None:
    library.images = [image_of(debian(), image_id="new"), image_of(debian(), image_id="old")]
    library.images[0].version, library.images[0].current, library.images[1].version = 2, True, 1
    names = [line.split()[0] for line in cli("images", "list").out.splitlines()[1:]]
    assert names == ["debian-12", "debian-12@1"]


def test_an_empty_list_says_so_beside_the_answer(cli: Cli) -> None:
    ended = cli("images", "list")
    assert (ended.out, ended.code) == ("", 0)
    assert "no images yet" in ended.err


def test_names_from_a_server_are_text_and_never_markup(cli: Cli, library: FakeLibrary) -> None:
    library.vms.append(a_vm(name="[red]evil[/red]\x1b]0;title\x07"))
    ended = cli("vms", "list")
    assert "[red]evil[/red]" in ended.out
    assert "\x1b" not in ended.out


def test_an_image_is_shown_with_its_catalog_entry(cli: Cli, library: FakeLibrary) -> None:
    library.images.append(image_of(library.catalog[0]))
    ended = cli("images", "show", "debian-12")
    assert "checksum" in ended.out
    assert "login user" in ended.out
    assert set(cli("images", "show", "img-1", "--json").document) == {"image", "catalogEntry"}


def test_an_unknown_image_is_answered_with_the_closest_names(cli: Cli) -> None:
    ended = cli("images", "show", "debian12")
    assert ended.code == 3
    assert "Did you mean debian-12?" in ended.err


def test_a_download_shows_its_progress_on_stderr_and_its_end_on_stdout(cli: Cli) -> None:
    ended = cli("images", "download", "debian-12")
    assert ended.code == 0
    assert "debian-12: fetching, 25 %, 100.0 MiB of 400.0 MiB, 50.0 MiB/s, 6 s left" in ended.err
    assert ended.out.startswith("debian-12: ready, 100 %")


def test_a_download_with_json_keeps_stdout_pure(cli: Cli) -> None:
    ended = cli("images", "download", "debian-12", "--json")
    assert ended.document["stage"] == "ready"
    assert "verifying" in ended.err


def test_an_image_that_is_there_is_not_watched(cli: Cli, library: FakeLibrary) -> None:
    library.images.append(image_of(library.catalog[0]))
    assert cli("images", "download", "debian-12").out == "debian-12 is there already.\n"


def test_a_download_can_be_left_alone(cli: Cli, library: FakeLibrary) -> None:
    ended = cli("images", "download", "debian-12", "--no-wait", "--node", "n1")
    assert ended.out == "job-1\n"
    assert library.asked(DownloadImageRequest)[0].node_id == "n1"


def test_a_failed_download_ends_with_the_code_of_its_cause(cli: Cli, library: FakeLibrary) -> None:
    failed = ImportStatus.Status.FAILED
    wrong = "The digests differ."
    library.download = (
        progress("failed", status=failed, error_code="verify.digest_mismatch", error_message=wrong),
    )
    ended = cli("images", "download", "debian-12", "--json")
    assert ended.code == 9
    assert ended.document["error"]["code"] == "verify.digest_mismatch"
    assert "error: The digests differ. Try again" in ended.err


def test_watching_goes_on_when_the_server_comes_back(cli: Cli, library: FakeLibrary) -> None:
    library.breaks = 1
    ended = cli("jobs", "watch", "job-1")
    assert ended.code == 0
    assert "connection to the server was lost" in ended.err


def test_jobs_are_listed_with_why_they_failed(cli: Cli, library: FakeLibrary) -> None:
    failed = progress(
        "failed",
        job_id="job-2",
        status=ImportStatus.Status.FAILED,
        error_code="storage.full",
        error_message="Full.",
    )
    library.jobs = [failed, WHOLE]
    assert "Full. Free some space" in cli("jobs", "list").out
    assert [j["jobId"] for j in cli("jobs", "list", "--json").document["jobs"]] == ["job-2", "job-1"]


def test_a_long_reason_leaves_the_other_columns_whole(cli: Cli, library: FakeLibrary) -> None:
    failed = progress("failed", status=ImportStatus.Status.FAILED, error_message="x" * 600 + ".")
    library.jobs = [failed]
    head, row = cli("jobs", "list").out.splitlines()
    assert head.split() == ["JOB", "KIND", "IMAGE", "STAGE", "DONE", "STARTED"]
    assert row.startswith(f"{failed.job_id}  ")
    assert "x" * 600 in row


def test_a_job_is_cancelled(cli: Cli) -> None:
    assert cli("jobs", "cancel", "job-1").out.startswith("debian-12: cancelled")


def test_a_scan_tells_what_it_found_and_which_files_were_bad(cli: Cli) -> None:
    ended = cli("images", "scan")
    assert ended.out == "2 new, 1 known.\n"
    assert "warning: x.qcow2: is no image" in ended.err


def test_an_image_in_use_is_not_deleted(cli: Cli, library: FakeLibrary) -> None:
    library.images.append(image_of(library.catalog[0]))
    library.failing["delete_image"] = ImageInUse("The image 'debian-12' is used by web.")
    ended = cli("images", "delete", "debian-12")
    assert ended.code == 5
    assert ended.err.startswith(
        "error: The image 'debian-12' is used by web. Delete the VMs that use it first"
    )


def test_an_image_is_deleted_by_its_name(cli: Cli, library: FakeLibrary) -> None:
    library.images.append(image_of(library.catalog[0]))
    assert cli("images", "delete", "debian-12").out == "Deleted debian-12.\n"
    assert library.images == []


def test_vms_are_listed_with_where_to_log_in(cli: Cli, library: FakeLibrary) -> None:
    library.vms.append(a_vm(stage="done"))
    assert "debian@127.0.0.1:40022" in cli("vms", "list").out
    assert cli("vms", "list", "--json").document["vms"][0]["name"] == "web"


def test_a_vm_is_shown_with_its_ssh_command(cli: Cli, library: FakeLibrary) -> None:
    library.vms.append(a_vm(cloud_init_errors=["runcmd: failed"]))
    told = cli("vms", "show", "web").out
    assert "ssh -p 40022" in told
    assert "runcmd: failed" in told


@pytest.mark.parametrize(("verb", "state"), [("start", "running"), ("stop", "stopped")])
def test_a_vm_is_started_and_stopped_by_its_name(
    cli: Cli, library: FakeLibrary, verb: str, state: str
) -> None:
    library.vms.append(a_vm())
    assert cli("vms", verb, "web").out == f"web: {state}\n"
    assert cli("vms", verb, "vm-1", "--json").document["status"]["state"] == state.upper()


def test_stopping_passes_on_how_long_to_wait(cli: Cli, library: FakeLibrary) -> None:
    library.vms.append(a_vm())
    cli("vms", "stop", "web", "--force", "--timeout", "7")
    (asked,) = library.asked(StopVMRequest)
    assert (asked.force, asked.timeout_sec) == (True, 7)


def test_a_vm_is_deleted(cli: Cli, library: FakeLibrary) -> None:
    library.vms.append(a_vm())
    assert cli("vms", "delete", "web", "--json").document == {"deleted": {"id": "vm-1", "name": "web"}}


def test_an_unknown_vm_is_answered_with_the_closest_names(cli: Cli, library: FakeLibrary) -> None:
    library.vms.append(a_vm())
    ended = cli("vms", "stop", "wep")
    assert ended.code == 3
    assert "Did you mean web?" in ended.err


def test_a_console_is_shown_without_what_could_harm_a_terminal(cli: Cli, library: FakeLibrary) -> None:
    library.vms.append(a_vm())
    library.console = (b"boot\r\n\x1b]0;own", b"ed\x07\x1b[2J\x1b[32mok\x1b[0m\n")
    assert cli("vms", "logs", "web").out == "boot\r\n\x1b[32mok\x1b[0m\n"
    assert cli("vms", "logs", "web", "--json").document["console"].startswith("boot")


def test_nodes_are_listed(cli: Cli, library: FakeLibrary) -> None:
    status = NodeStatus(
        phase=NodeStatus.Phase.READY, disk_total_bytes=10 << 30, disk_used_bytes=4 << 30, image_count=3
    )
    facts = NodeFacts(architecture="x86_64", accelerator="kvm")
    library.nodes.append(Node(id="n1", hostname="alpha", status=status, facts=facts))
    lines = cli("nodes", "list").out.splitlines()
    assert lines[1].split()[:7] == ["alpha", "ready", "x86_64", "kvm", "0", "3", "6.0"]
    assert cli("nodes", "list", "--json").document["nodes"][0]["hostname"] == "alpha"


def test_a_node_is_shown_with_what_is_wrong_with_it(cli: Cli, library: FakeLibrary) -> None:
    status = NodeStatus(phase=NodeStatus.Phase.NOT_READY, error_message="/blobs is not the directory.")
    library.nodes.append(Node(id="n1", hostname="alpha", status=status))
    told = cli("nodes", "show", "alpha").out
    assert "not ready" in told
    assert "/blobs is not the directory." in told
    assert cli("nodes", "show", "n1", "--json").document["node"]["hostname"] == "alpha"
    assert cli("nodes", "show", "beta").code == 3


def test_a_node_that_is_away_is_code_8(cli: Cli, library: FakeLibrary) -> None:
    library.failing["scan"] = NodeUnreachable("The node n1 does not answer.")
    assert cli("images", "scan").code == 8
