"""URLs judged by their form."""

from __future__ import annotations

import pytest

from image_library.domain.errors import UrlNotAllowed
from image_library.domain.identity import name_of_file
from image_library.domain.source_url import file_name, judge_source


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "ftp://example.org/x",
        "gopher://example.org/x",
        "data:text/plain,x",
        "smb://example.org/x",
        "unix:/run/x",
        "jar:https://example.org/x",
        "//example.org/x",
        "\\\\example.org\\x",
        "https://example.org/a b",
        "https://example.org/a\tb",
        "https://example.org/a\0b",
        "https://example.org:99999/x",
        "https://example.org/" + "x" * 2048,
        "https://user@example.org/x",
        "https:///x",
        "http://example.org/x",
    ],
)
def test_what_is_no_source_is_refused_by_its_field(url: str) -> None:
    with pytest.raises(UrlNotAllowed) as refused:
        judge_source(url, proved=False, field="checksum_url")
    assert refused.value.field == "checksum_url"


def test_a_digest_makes_http_good_enough() -> None:
    judge_source("http://example.org/x", proved=True)
    judge_source("https://example.org:8443/x?token=1", proved=False)
    with pytest.raises(UrlNotAllowed):
        judge_source("ftp://example.org/x", proved=True)


@pytest.mark.parametrize(
    ("url", "filename", "name"),
    [
        ("https://h/images/web.qcow2?x=1#y", "web.qcow2", "web"),
        ("https://h/a%20b.IMG", "a b.IMG", "a-b"),
        ("https://h/%2e%2e%2fetc%2fpasswd", "../etc/passwd", "passwd"),
        ("https://h/disk.raw.img", "disk.raw.img", "disk"),
        ("https://h/", "", ""),
        ("https://h/%ff%fe.qcow2", "\ufffd\ufffd.qcow2", ""),
        ("https://h/" + "x" * 80 + ".qcow2", "x" * 80 + ".qcow2", "x" * 56),
    ],
)
def test_a_url_names_its_file_and_the_file_its_image(url: str, filename: str, name: str) -> None:
    assert file_name(url) == filename
    assert name_of_file(filename) == name
