"""What a guest answers, what its console said, and whose bytes a proof is about."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_library.controlplane.services.download_outcome import next_version
from image_library.domain.boot_proof import (
    MAX_SERIAL_CHARACTERS,
    MAX_SERIAL_LINES,
    QUESTIONS,
    BootProof,
    ProofOutcome,
    StageTime,
    answers,
    key_types,
    module_of,
    serial_tail,
    tidy_stages,
)
from image_library.domain.errors import InvalidRequest
from image_library.domain.proof_order import KEY_LINE, takes_key, valid_timeout, with_key
from image_library.domain.ssh_key import parse_public_key
from image_library.domain.vm import SeedDocuments
from tests.fakes.control_values import DIGEST, OTHER_DIGEST, a_ready_image
from tests.fakes.guest_login import ANSWERS

NOW = datetime(2026, 1, 2, tzinfo=UTC)
PROOF = BootProof(outcome=ProofOutcome.PASSED, digest=DIGEST, proved_at=NOW)


def test_the_answers_of_a_guest_that_has_arrived() -> None:
    said = answers(ANSWERS)
    assert said is not None
    assert (said.settled, said.errors) == (True, ())
    assert said.facts.os_release == "Debian GNU/Linux 12 (bookworm)"
    assert said.facts.host_key_types == ("ssh-rsa",)
    assert said.facts.kernel == "Linux 6.1.0-25-amd64"
    assert said.facts.cloud_init == "22.4.2"
    assert said.facts.datasource == "DataSourceNoCloud [seed=/dev/vdb]"


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        ("kernel x\ncloud-init 1\nanswered\n", False),
        ("kernel x\nno-cloud-init\nanswered\n", True),
        ("result not json\nanswered\n", False),
        ("result [1]\nanswered\n", False),
        ('result {"v1": 5}\nanswered\n', False),
    ],
)
def test_cloud_init_has_ended_only_where_the_guest_says_so(text: str, settled: bool) -> None:
    said = answers(text)
    assert said is not None
    assert said.settled is settled


def test_answers_that_were_cut_short_are_none() -> None:
    assert answers(ANSWERS.replace("answered", "")) is None
    assert answers("") is None


def test_the_errors_of_cloud_init_name_their_module() -> None:
    said = answers('result {"v1": {"errors": ["(\'cc_x\', OSError(5))", "plain"]}}\nanswered\n')
    assert said is not None
    assert said.errors == ("cc-x: OSError(5)", "plain")
    assert [module_of(error) for error in said.errors] == ["cc-x", ""]


@given(st.text())
def test_whatever_a_guest_answers_is_fit_to_show(text: str) -> None:
    said = answers(f"{text}\nanswered\n")
    if said is not None:
        facts = said.facts
        assert all(part.isprintable() for part in (facts.os_release, facts.kernel, facts.datasource))
        assert all(error.isprintable() for error in said.errors)


@given(st.binary(max_size=2000))
def test_whatever_a_console_says_is_plain_lines(data: bytes) -> None:
    tail = serial_tail(data * 9)
    assert all(line.isprintable() for line in tail.split("\n"))
    assert len(tail) <= MAX_SERIAL_CHARACTERS


def test_the_end_of_a_console_is_kept_without_escapes() -> None:
    said = b"\x1b[2J\x1b[1;31mfirst\x1b[0m\r\n" + b"line\r\n" * 200 + b"\x1b]0;title\x07last\n"
    lines = serial_tail(said).split("\n")
    assert len(lines) == MAX_SERIAL_LINES
    assert lines[-1] == "last"


def test_the_types_of_host_keys_are_read_from_what_was_shown() -> None:
    lines = ["# a comment", "[h]:1 ssh-rsa AAA", "[h]:1 ssh-ed25519 AAA", "odd", "h $(x) AAA"]
    assert key_types(lines) == ("ssh-ed25519", "ssh-rsa")


def test_stages_are_told_once_and_in_bounds() -> None:
    odd = [
        StageTime(stage="boot", seconds=-1),
        StageTime(stage="boot", seconds=5),
        StageTime(stage="\x1b", seconds=1),
        StageTime(stage="ssh", seconds=1e12),
    ]
    assert [(at.stage, at.seconds) for at in tidy_stages(odd)] == [("boot", 0.0), ("ssh", 86400.0)]


def test_the_questions_are_plain_sh() -> None:
    assert "\\n" in QUESTIONS
    assert "sudo" not in QUESTIONS


def test_the_mark_is_a_key_that_documents_take_and_the_node_replaces() -> None:
    assert parse_public_key(KEY_LINE).line == KEY_LINE
    documents = SeedDocuments(user_data=f"a: {KEY_LINE}", meta_data="")
    assert takes_key(documents)
    told = with_key(documents, "AAAAnew")
    assert told.user_data == "a: ssh-ed25519 AAAAnew"
    assert not takes_key(told)


def test_a_proof_belongs_to_the_bytes_that_were_booted() -> None:
    image = a_ready_image(digest=DIGEST, boot_proof=PROOF)
    assert image.boots
    assert not image.evolve(digest=OTHER_DIGEST).boots
    assert not image.evolve(boot_proof=replace(PROOF, outcome=ProofOutcome.PARTIAL)).boots
    assert not image.evolve(boot_proof=replace(PROOF, outcome=ProofOutcome.FAILED)).boots


def test_the_next_version_is_unproved() -> None:
    image = a_ready_image(digest=DIGEST, boot_proof=PROOF)
    assert next_version(image, version_id="v2", now=NOW).boot_proof is None


@pytest.mark.parametrize("seconds", [-1, 4, 3601])
def test_a_boot_may_not_take_any_time(seconds: int) -> None:
    with pytest.raises(InvalidRequest):
        valid_timeout(seconds)


def test_no_time_is_the_usual_one() -> None:
    assert valid_timeout(0) == 900
    assert valid_timeout(5) == 5
