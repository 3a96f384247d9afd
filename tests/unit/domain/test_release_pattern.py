"""Where builds are: what a pattern matches, and that nothing else passes for it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from image_library.domain.errors import IndexUnreadable, InvalidCatalog
from image_library.domain.releases import ReleasePattern, order_of

ROCKY = ReleasePattern("https://h.example/rocky/{point}/images/Rocky-9-Base-{point}-{build}.x86_64.qcow2")
UBUNTU = ReleasePattern("https://h.example/daily/{build}/noble-amd64.img")


def test_a_version_is_what_stands_in_the_gaps() -> None:
    url = "https://h.example/rocky/9.8/images/Rocky-9-Base-9.8-20260525.0.x86_64.qcow2"
    assert ROCKY.version_in(url) == "9.8-20260525.0"
    assert ROCKY.locate(url.rpartition("/")[2]) == ("9.8-20260525.0", url)
    assert UBUNTU.version_in("https://h.example/daily/20260801.1/noble-amd64.img") == "20260801.1"


@pytest.mark.parametrize(
    "name",
    [
        "Rocky-9-Base.latest.x86_64.qcow2",
        "Rocky-9-Base-9.8-latest.x86_64.qcow2",
        "Rocky-9-Base-9.8-20260525.0.x86_64.qcow2.CHECKSUM",
        "Rocky-9-Base-9.8-20260525.0.x86_64.qcow2\n",
        "Rocky-9-Base-9.8-20260525.0.x86_64xqcow2",
        "Rocky-9-Base-9.8-٢٠٢٦.x86_64.qcow2",
        f"Rocky-9-Base-9.8-{'1' * 16}.{'1' * 16}.{'1' * 16}.{'1' * 16}.x86_64.qcow2",
        "",
    ],
)
def test_another_file_is_not_a_build(name: str) -> None:
    assert ROCKY.locate(name) is None
    assert ROCKY.version_in(f"https://h.example/rocky/9.8/images/{name}") is None


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/rocky/9.8/images/Rocky-9-Base-9.8-20260525.0.x86_64.qcow2",
        "http://h.example/rocky/9.8/images/Rocky-9-Base-9.8-20260525.0.x86_64.qcow2",
        "https://h.example/rocky/../9.8/images/Rocky-9-Base-9.8-20260525.0.x86_64.qcow2",
        "https://h.example/rocky/9.9/images/Rocky-9-Base-9.8-20260525.0.x86_64.qcow2",
        "https://h.example@evil.example/rocky/9.8/images/Rocky-9-Base-9.8-20260525.0.x86_64.qcow2",
    ],
)
def test_the_right_name_in_the_wrong_place_is_an_error(url: str) -> None:
    with pytest.raises(IndexUnreadable, match="where no build of this image is"):
        ROCKY.version_in(url)


@pytest.mark.parametrize(
    "text",
    [
        "https://h.example/a/image.qcow2",
        "https://h.example/a/{version}.qcow2",
        "https://h.example/a/{}-{build}.qcow2",
        "https://h.example/a/{build.qcow2",
        "https://h.example/a/{{build}}.qcow2",
        "http://h.example/a/{build}.qcow2",
        "https://h.example/../{build}.qcow2",
        "https://h.example/a/{build}.qcow2?x=1",
        "https://u@h.example/a/{build}.qcow2",
        "https://{build}.example/a/x.qcow2",
        f"https://h.example/{'a' * 1000}/{{build}}.qcow2",
        "{build}",
        "",
    ],
)
def test_a_pattern_that_could_lead_elsewhere_is_refused(text: str) -> None:
    with pytest.raises(InvalidCatalog):
        ReleasePattern(text)


def test_only_a_pattern_with_its_gaps_in_the_name_locates_files() -> None:
    assert ROCKY.named_by_file
    assert not UBUNTU.named_by_file
    assert UBUNTU.locate("noble-amd64.img") is None


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        ("20260731", "20260801"),
        ("20260801", "20260801.2"),
        ("20260801.2", "20260801.10"),
        ("9.9-20260101.0", "9.10-20250101.0"),
        ("3.24.1-r9", "3.24.10-r0"),
        ("8-b293", "9-b7"),
        ("44-1.7", "44-1.10"),
    ],
)
def test_builds_are_compared_by_their_numbers(older: str, newer: str) -> None:
    assert order_of(older) < order_of(newer)


@given(
    st.text(alphabet="https:/.example-{}buildpo?@\\0 9", max_size=60)
    | st.from_regex(r"https://h\.example/[a-z{}/.]{1,40}", fullmatch=True)
)
def test_any_pattern_is_either_refused_or_stays_where_it_says(text: str) -> None:
    try:
        pattern = ReleasePattern(text)
    except InvalidCatalog:
        return
    host = text.split("/")[2]
    assert "{" not in host
    if pattern.named_by_file:
        name = text.rpartition("/")[2].replace("{point}", "1").replace("{build}", "2")
        found = pattern.locate(name)
        assert found
        assert found[1].startswith(f"https://{host}/")
