"""What a shell is offered at TAB."""

from __future__ import annotations

import pytest

from image_library.cli.__main__ import run
from limiquantix.compute.v1.vm_pb import VirtualMachine
from tests.fakes.server import FakeLibrary, debian


def offered(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], **environ: str
) -> list[str]:
    words = line.split(" ")
    monkeypatch.setenv("_LIMIQUANTIX_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        run([])
    return capsys.readouterr().out.split()


def test_names_come_from_the_server(
    server: str,
    library: FakeLibrary,
    data_dir: object,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    library.catalog.append(debian(id="ours-1"))
    library.vms.append(VirtualMachine(id="1", name="web"))
    environ = {"LIMIQUANTIX_DATA_DIR": str(data_dir)}
    assert offered("limiquantix launch ours", monkeypatch, capsys, **environ) == ["ours-1"]
    assert offered("limiquantix vms stop w", monkeypatch, capsys, **environ) == ["web"]


def test_without_a_server_the_shipped_catalog_is_offered(
    data_dir: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"LIMIQUANTIX_DATA_DIR": str(data_dir)}
    assert "debian-12" in offered("limiquantix launch deb", monkeypatch, capsys, **environ)
    assert offered("limiquantix vms stop w", monkeypatch, capsys, **environ) == []


def test_a_server_that_refuses_is_silent(
    server: str, data_dir: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {"LIMIQUANTIX_DATA_DIR": str(data_dir), "LIMIQUANTIX_TOKEN": "wrong"}
    assert offered("limiquantix vms stop w", monkeypatch, capsys, **environ) == []
    assert capsys.readouterr().err == ""
