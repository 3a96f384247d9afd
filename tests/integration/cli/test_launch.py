"""``launch``, from the image's name to the ssh command."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from image_library.domain.errors import HypervisorFailed, NameTaken
from image_library.domain.ssh_key import parse_public_key
from limiquantix.compute.v1.vm_pb import CloudInitConfig, CreateVMRequest, VirtualMachine
from limiquantix.storage.v1.image_pb import DownloadImageRequest, ImageRequirements
from tests.fakes.server import FakeLibrary, debian, image_of
from tests.integration.cli.conftest import Cli

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIH4vS56fV828XNDBytj/p5KZ4eNvGCrPcegW9jdfhJOL me@here"
PROGRAM = (sys.executable, "-m", "image_library")


@pytest.fixture
def own_key(home: Path) -> Path:
    (home / ".ssh").mkdir()
    public = home / ".ssh" / "id_ed25519.pub"
    public.write_text(f"{KEY}\n")
    return public


def asked(library: FakeLibrary) -> CreateVMRequest:
    return library.asked(CreateVMRequest)[-1]


def cloud_init(library: FakeLibrary) -> CloudInitConfig:
    spec = asked(library).spec
    assert spec is not None
    assert spec.provisioning is not None
    assert spec.provisioning.method is not None
    value = spec.provisioning.method.value
    assert isinstance(value, CloudInitConfig)
    return value


def test_launch_downloads_boots_and_ends_with_the_ssh_command(
    cli: Cli, library: FakeLibrary, own_key: Path
) -> None:
    ended = cli("launch", "debian-12")
    assert ended.code == 0
    assert ended.out.startswith("ssh -p 40022 ")
    assert ended.out.endswith(" debian@127.0.0.1\n")
    said = [line.split()[0] for line in ended.err.splitlines() if line.startswith("  ")]
    assert said == ["disk", "boot", "network", "cloud-init", "SSH", "done"]
    assert "debian-12: fetching, 25 %" in ended.err
    assert cloud_init(library).ssh_authorized_keys == [KEY]


def test_launch_with_json_prints_one_document(cli: Cli, own_key: Path) -> None:
    document = cli("launch", "debian-12", "--json").document
    assert document["vm"]["name"] == "debian-12"
    assert document["sshCommand"][0] == "ssh"
    assert document["ssh"].startswith("ssh -p 40022")


def test_an_image_that_is_there_is_not_downloaded(cli: Cli, library: FakeLibrary, own_key: Path) -> None:
    library.images.append(image_of(library.catalog[0]))
    assert cli("launch", "debian-12").code == 0
    assert library.asked(DownloadImageRequest) == []


def test_a_local_image_is_launched_by_its_name(cli: Cli, library: FakeLibrary, own_key: Path) -> None:
    library.images.append(image_of(debian(id="golden"), image_id="img-9"))
    assert cli("launch", "golden").code == 0
    spec = asked(library).spec
    assert spec is not None
    assert spec.disks[0].image == "img-9"


def test_what_was_asked_for_reaches_the_server(
    cli: Cli, library: FakeLibrary, own_key: Path, tmp_path: Path
) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("#cloud-config\nlocale: C.UTF-8\n")
    words = "--name web --cpus 4 --memory 2G --disk 20G --user ops --package nginx --package vim --node n1"
    cli("launch", "debian-12", *words.split(), "--run", "touch /x", "--user-data", str(mine))
    request, given = asked(library), cloud_init(library)
    assert (request.name, request.node_id, request.start_on_create) == ("web", "n1", True)
    spec = request.spec
    assert spec is not None
    assert spec.cpu is not None
    assert spec.memory is not None
    assert (spec.cpu.cores, spec.memory.size_mib, spec.disks[0].size_gib) == (4, 2048, 20)
    assert (given.default_user, given.packages, given.run_commands) == ("ops", ["nginx", "vim"], ["touch /x"])
    assert given.user_data == mine.read_text()


def test_sizes_follow_what_the_image_needs(cli: Cli, library: FakeLibrary, own_key: Path) -> None:
    library.catalog[0].requirements = ImageRequirements(min_memory_mib=1536, min_disk_gib=12)
    cli("launch", "debian-12")
    spec = asked(library).spec
    assert spec is not None
    assert spec.memory is not None
    assert (spec.memory.size_mib, spec.disks[0].size_gib) == (1536, 12)


def test_without_a_name_the_next_free_number_is_taken(cli: Cli, library: FakeLibrary, own_key: Path) -> None:
    library.vms.append(VirtualMachine(id="vm-1", name="debian-12"))
    cli("launch", "debian-12", "--no-wait")
    assert asked(library).name == "debian-12-2"


def test_a_taken_name_is_refused_before_anything_is_fetched(
    cli: Cli, library: FakeLibrary, own_key: Path
) -> None:
    library.vms.append(VirtualMachine(id="vm-1", name="web"))
    ended = cli("launch", "debian-12", "--name", "web")
    assert ended.code == 4
    assert library.asked(DownloadImageRequest) == []


def test_a_server_that_takes_no_name_is_not_asked_for_ever(
    cli: Cli, library: FakeLibrary, own_key: Path
) -> None:
    library.failing["create_vm"] = NameTaken("There is a VM of that name.")
    assert cli("launch", "debian-12").code == 4
    assert len(library.asked(CreateVMRequest)) == 20


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--name", "a/b"], "'a/b' is not a valid name"),
        (["--memory", "lots"], "--memory 'lots' is not a size"),
        (["--disk", "0"], "--disk '0' is out of range"),
        (["--user", "Bad User"], "'Bad User' is not a valid user name"),
        (["--ssh-key", "/no/such.pub"], "The key file '/no/such.pub' cannot be read"),
        (["--package", "-y"], "-y"),
        (["--user-data", "/no/such"], "'/no/such' cannot be read"),
        (["--cpus", "0"], "--cpus"),
    ],
)
def test_bad_input_is_refused_before_a_server_is_asked(
    cli: Cli, library: FakeLibrary, own_key: Path, words: list[str], said: str
) -> None:
    ended = cli("launch", "debian-12", *words)
    assert ended.code == 2
    assert said in ended.err
    assert ended.err.count("\n") == 1
    assert library.requests == []


def test_an_unknown_image_is_answered_with_the_closest_names(
    cli: Cli, library: FakeLibrary, own_key: Path
) -> None:
    ended = cli("launch", "debian")
    assert ended.code == 3
    assert ended.err == "error: There is no image 'debian'. Did you mean debian-12?\n"
    assert library.asked(CreateVMRequest) == []


def test_the_end_of_support_is_warned_about(cli: Cli, library: FakeLibrary, own_key: Path) -> None:
    library.catalog[0].end_of_life = True
    assert "warning: Support for Debian 12 ended on 2028-06-30." in cli("launch", "debian-12").err


def test_who_has_no_key_gets_one_that_only_they_can_read(
    cli: Cli, library: FakeLibrary, data_dir: Path
) -> None:
    ended = cli("launch", "debian-12")
    private = data_dir / "ssh" / "id_ed25519"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert f"-i {private}" in ended.out
    (line,) = cloud_init(library).ssh_authorized_keys
    assert parse_public_key(line).algorithm == "ssh-ed25519"
    made = subprocess.run(
        ["ssh-keygen", "-y", "-f", str(private)], capture_output=True, text=True, check=True
    )
    assert made.stdout.split()[:2] == line.split()[:2]


def test_a_key_is_made_once(cli: Cli, library: FakeLibrary) -> None:
    cli("launch", "debian-12")
    first = cloud_init(library).ssh_authorized_keys
    assert "Made an SSH key" not in cli("launch", "debian-12").err
    assert cloud_init(library).ssh_authorized_keys == first


def test_each_vm_has_known_hosts_of_its_own(cli: Cli, data_dir: Path, own_key: Path) -> None:
    told = cli("launch", "debian-12").out
    assert f"UserKnownHostsFile={data_dir}/ssh/vms/vm-1/known_hosts" in told
    assert "StrictHostKeyChecking=accept-new" in told
    cli("vms", "delete", "debian-12")
    assert not (data_dir / "ssh" / "vms" / "vm-1").exists()


def test_not_waiting_ends_with_the_vms_name(cli: Cli, own_key: Path) -> None:
    assert cli("launch", "debian-12", "--name", "web", "--no-wait").out == "web\n"


def test_cloud_inits_errors_are_told_by_name_with_a_code_of_their_own(
    cli: Cli, library: FakeLibrary, own_key: Path
) -> None:
    library.cloud_init_errors = ("package-update-upgrade-install: no such package", "runcmd: failed")
    ended = cli("launch", "debian-12")
    assert ended.code == 10
    assert "package-update-upgrade-install: no such package; runcmd: failed" in ended.err
    assert ended.out.startswith("ssh ")
    document = cli("launch", "debian-12", "--json").document
    assert document["error"]["code"] == "vm.cloud_init_failed"
    assert document["vm"]["status"]["cloudInitStatus"] == "error"


def test_a_guest_that_does_not_come_up_in_time_is_told_with_its_stage(
    cli: Cli, library: FakeLibrary, own_key: Path
) -> None:
    library.stages, library.endless = ("disk", "boot"), True
    ended = cli("launch", "debian-12", "--timeout", "1")
    assert ended.code == 10
    assert "has come no further than boot in 1 s" in ended.err
    assert "vms logs debian-12" in ended.err


def test_a_disk_below_the_image_is_refused_though_the_wire_counts_in_gib(
    cli: Cli, library: FakeLibrary, own_key: Path
) -> None:
    ended = cli("launch", "debian-12", "--disk", "2.5G")
    assert ended.code == 2
    assert "A disk of 2.5G is smaller than the image, which has 3.0 GiB." in ended.err
    assert library.asked(CreateVMRequest) == []


def test_a_hypervisors_refusal_is_passed_on(cli: Cli, library: FakeLibrary, own_key: Path) -> None:
    library.failing["create_vm"] = HypervisorFailed("qemu refused.")
    ended = cli("launch", "debian-12")
    assert ended.code == 70
    assert "error: qemu refused." in ended.err


def test_ctrl_c_says_that_the_download_goes_on(
    library: FakeLibrary, server: str, data_dir: Path, own_key: Path
) -> None:
    library.download, library.endless = library.download[:2], True
    root = Path(__file__).parents[3]
    started = subprocess.Popen(
        # Whoever started the tests in the background had SIGINT ignored for all of them.
        ["env", "--default-signal=INT", *PROGRAM, "launch", "debian-12", "--data-dir", str(data_dir)],
        env={**os.environ, "PYTHONPATH": str(root / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert started.stderr is not None
    lines = [started.stderr.readline() for _ in range(2)]
    assert "fetching" in lines[-1]
    began = time.monotonic()
    started.send_signal(signal.SIGINT)
    _, rest = started.communicate(timeout=20)
    assert time.monotonic() - began < 5
    assert started.returncode == 130
    assert "jobs watch job-1" in rest
    assert "jobs cancel job-1" in rest
    assert "Traceback" not in rest


def test_vms_ssh_runs_ssh_with_the_vms_key_and_the_command(
    cli: Cli, server: str, data_dir: Path, tmp_path: Path
) -> None:
    assert cli("launch", "debian-12", "--name", "web").code == 0
    programs = tmp_path / "bin"
    programs.mkdir()
    stand_in = programs / "ssh"
    stand_in.write_text(
        f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\nsys.exit(7)\n"
    )
    stand_in.chmod(0o755)
    root = Path(__file__).parents[3]
    ended = subprocess.run(
        [*PROGRAM, "--data-dir", str(data_dir), "vms", "ssh", "web", "--", "echo", "--json", "a b"],
        env={**os.environ, "PYTHONPATH": str(root / "src"), "PATH": f"{programs}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 7
    words = json.loads(ended.stdout)
    assert words[-4:] == ["debian@127.0.0.1", "echo", "--json", "a b"]
    assert words[:4] == ["-p", "40022", "-i", str(data_dir / "ssh" / "id_ed25519")]
