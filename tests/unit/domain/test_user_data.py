"""Raw user-data is judged as text, told apart as cloud-init does, and carried beside ours byte by byte."""

from __future__ import annotations

from email import message_from_bytes
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_library.domain.errors import InvalidUserData
from image_library.domain.user_data import (
    LARGEST_DOCUMENT,
    MERGE_TYPE,
    checked_text,
    cloud_configs,
    combine,
    give_way,
)

OURS = "#cloud-config\nhostname: web\n"


def parts(document: str) -> list[Message]:
    message = message_from_bytes(document.encode())
    assert message.get_content_type() == "multipart/mixed"
    return [part for part in message.walk() if not part.is_multipart()]


def text_of(part: Message) -> str:
    payload = part.get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode()


@pytest.mark.parametrize(
    ("theirs", "kind"),
    [
        ("#cloud-config\npackages: [a]\n", "text/cloud-config"),
        ("\n\n #Cloud-Config\npackages: [a]\n", "text/cloud-config"),
        ("#!/bin/sh\nexit\n", "text/x-shellscript"),
        ("#include\nhttps://example.org/x\n", "text/x-include-url"),
        ("#include-once\nhttps://example.org/x\n", "text/x-include-once-url"),
        ("#cloud-boothook\n#!/bin/sh\n", "text/cloud-boothook"),
        ("#part-handler\n", "text/part-handler"),
        ("#cloud-config-archive\n- x\n", "text/cloud-config-archive"),
        ("#cloud-config-jsonp\n[]\n", "text/cloud-config-jsonp"),
    ],
)
def test_ours_comes_first_and_theirs_second_by_its_kind(theirs: str, kind: str) -> None:
    ours, second = parts(combine(OURS, theirs))
    assert (ours.get_content_type(), text_of(ours)) == ("text/cloud-config", OURS)
    assert (second.get_content_type(), text_of(second)) == (kind, theirs)


def test_only_their_cloud_config_carries_the_merge_type() -> None:
    ours, config = parts(combine(OURS, "#cloud-config\nx: 1\n"))
    assert (ours["Merge-Type"], config["Merge-Type"]) == (None, MERGE_TYPE)
    assert parts(combine(OURS, "#!/bin/sh\n"))[1]["Merge-Type"] is None


def test_a_multipart_document_is_nested_and_its_cloud_configs_get_the_merge_type() -> None:
    inner = combine("#cloud-config\na: 1\n", "#!/bin/sh\necho ü\n")
    first, config, script = parts(combine(OURS, inner))
    assert [text_of(p) for p in (first, config, script)] == [
        OURS,
        "#cloud-config\na: 1\n",
        "#!/bin/sh\necho ü\n",
    ]
    assert config["Merge-Type"] == MERGE_TYPE
    assert script["Merge-Type"] is None


def test_a_merge_type_of_their_own_is_kept() -> None:
    inner = combine("#cloud-config\na: 1\n", "#cloud-config\nb: 1\n").replace(MERGE_TYPE, "dict(replace)")
    assert [p["Merge-Type"] for p in parts(combine(OURS, inner))] == [None, MERGE_TYPE, "dict(replace)"]


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        ("## template: jinja\n#cloud-config\n", "jinja template cannot be combined"),
        ("packages: [a]\n", "first line is none that cloud-init knows"),
        ("\n", "first line"),
        ("Content-Type: multipart/mixed\n\nno boundary\n", "cannot be read"),
        ('Content-Type: multipart/mixed; boundary="b"\n\n--b\n\nnever closed\n', "cannot be read"),
        ("MIME-Version: 1.0\n\nplain\n", "cannot be read"),
    ],
)
def test_refuses_what_cloud_init_would_not_take_as_a_part(theirs: str, reason: str) -> None:
    with pytest.raises(InvalidUserData, match=reason):
        combine(OURS, theirs)


def test_the_boundary_is_in_no_part() -> None:
    document = combine(OURS, "#!/bin/sh\n")
    boundary = message_from_bytes(document.encode()).get_boundary()
    assert boundary is not None
    theirs = f"#!/bin/sh\n--{boundary}--\n"
    assert text_of(parts(combine(OURS, theirs))[1]) == theirs


@given(st.text())
def test_any_text_is_carried_unchanged_or_refused(text: str) -> None:
    theirs = f"#!/bin/sh\n{text}"
    try:
        checked_text(theirs, field="user_data")
    except InvalidUserData:
        return
    assert [text_of(p) for p in parts(combine(OURS, theirs))] == [OURS, theirs]


@pytest.mark.parametrize("line", ["From me", ".", "--", "a\r\nb", "x" * 2000, "\x1a", "ü" * 500])
def test_lines_that_mail_programs_touch_are_carried_unchanged(line: str) -> None:
    theirs = f"#!/bin/sh\n{line}\n"
    assert text_of(parts(combine(OURS, theirs))[1]) == theirs


@pytest.mark.parametrize(
    "text", ["a\0", "\ud800", "x" * (LARGEST_DOCUMENT + 1), "é" * (LARGEST_DOCUMENT // 2 + 1)]
)
def test_refuses_text_that_cannot_be_a_file_on_a_seed(text: str) -> None:
    with pytest.raises(InvalidUserData) as refused:
        checked_text(text, field="vendor_data")
    assert refused.value.field == "vendor_data"


def test_takes_text_up_to_the_limit() -> None:
    assert checked_text("x" * LARGEST_DOCUMENT, field="user_data")


def test_every_cloud_config_of_theirs_is_found() -> None:
    config = "#cloud-config\na: ü\n"
    assert cloud_configs(config) == (config,)
    assert cloud_configs("#!/bin/sh\n") == ()
    assert cloud_configs(combine(config, "#!/bin/sh\n")) == (config,)


@pytest.mark.parametrize("name", ["hostname", "fqdn"])
def test_the_name_of_the_host_is_all_theirs_or_all_ours(name: str) -> None:
    ours = {"hostname": "web", "fqdn": "web.example.org", "prefer_fqdn_over_hostname": False, "packages": []}
    assert give_way(ours, {name: "db"}) == {"packages": []}
    assert give_way(ours, {"packages": []}) == ours


def test_ours_gives_way_where_lists_do_not_append() -> None:
    ours = {"hostname": "web", "ssh_pwauth": False, "packages": ["a"], "runcmd": ["x"], "users": [1]}
    theirs = {"hostname": "db", "ssh_pwauth": True, "packages": ["b"], "users": None}
    assert give_way(ours, theirs) == {"packages": ["a"], "runcmd": ["x"]}
