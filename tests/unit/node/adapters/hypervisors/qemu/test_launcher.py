from pathlib import Path

import pytest

from image_library.domain.errors import HypervisorFailed, HypervisorMissing, PortTaken, StorageFull
from image_library.node.adapters.hypervisors.qemu.launcher import find_program, refusal


def test_a_refusal_is_told_in_qemus_first_words() -> None:
    said = (
        "qemu-system-x86_64: warning: TCG doesn't support requested feature\n"
        "qemu-system-x86_64: -m size=9T: cannot set\x1b[0m that\n"
        "qemu-system-x86_64: more\n"
    )
    error = refusal(said)
    assert isinstance(error, HypervisorFailed)
    assert error.message == "qemu did not start the VM: -m size=9T: cannot set\\u001b[0m that."


def test_a_taken_port_is_told_apart() -> None:
    said = "qemu-system-x86_64: -netdev user,id=net: Could not set up host forwarding rule 'tcp:...'\n"
    assert isinstance(refusal(said), PortTaken)


def test_a_full_disk_is_told_apart() -> None:
    assert isinstance(refusal("qemu-system-x86_64: x: No space left on device"), StorageFull)


def test_too_little_memory_is_named() -> None:
    error = refusal("qemu-system-x86_64: cannot set up guest memory 'pc.ram': Cannot allocate memory")
    assert "too little free memory" in error.message


def test_silence_is_said_so() -> None:
    assert refusal("").message == "qemu did not start the VM: it gave no reason."


@pytest.mark.parametrize(
    ("architecture", "package"), [("x86_64", "qemu-system-x86"), ("aarch64", "qemu-system-arm")]
)
def test_a_missing_qemu_names_the_package(architecture: str, package: str, tmp_path: Path) -> None:
    with pytest.raises(HypervisorMissing) as error:
        find_program(architecture, str(tmp_path))
    assert error.value.remedy == f"Install it: apt-get install {package}."
