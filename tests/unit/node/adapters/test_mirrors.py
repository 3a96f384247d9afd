"""What a mirror has, and where."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from image_library.domain.errors import InvalidSettings
from image_library.node.adapters.fetcher.mirrors import Mirrors
from image_library.node.adapters.fetcher.places import ByPlace, Place
from image_library.node.adapters.fetcher.policy import SourcePolicy
from image_library.node.ports.fetching import Source

URL = "https://cloud.debian.org/images/cloud/x.qcow2?a=b"


def ways(mirrors: Mirrors, *, url: str = URL, proved: bool = True, fresh: bool = False) -> list[str]:
    source = Source(url=url, digest_known=proved, fresh=fresh)
    return [way.url for way in SourcePolicy(mirrors=mirrors).ways(source)]


@pytest.mark.parametrize(
    ("mirror", "place"),
    [
        ("http://m.lan", "http://m.lan/cloud.debian.org/images/cloud/x.qcow2?a=b"),
        ("http://m.lan/i/", "http://m.lan/i/cloud.debian.org/images/cloud/x.qcow2?a=b"),
        ("cloud.debian.org=https://m.lan/debian", "https://m.lan/debian/images/cloud/x.qcow2?a=b"),
        ("CLOUD.debian.org:443/images=https://m.lan", "https://m.lan/cloud/x.qcow2?a=b"),
        ("https://cloud.debian.org/images/=https://m.lan", "https://m.lan/cloud/x.qcow2?a=b"),
        ("cloud.debian.org/images/cloud=https://m.lan/c", "https://m.lan/c/x.qcow2?a=b"),
        ("cloud.debian.org/ima=https://m.lan", None),
        ("debian.org=https://m.lan", None),
        ("cloud.debian.org:8443=https://m.lan", None),
    ],
)
def test_a_mirror_has_all_publishers_or_one(mirror: str, place: str | None) -> None:
    assert ways(Mirrors(standing_in=[mirror])) == [place or URL]
    assert ways(Mirrors(carrying=[mirror])) == ([place, URL] if place else [URL])


def test_those_who_stand_in_replace_the_publisher_and_carriers_come_first() -> None:
    both = Mirrors(standing_in=["http://a", "http://b"], carrying=["http://c"])
    names = [urlsplit(way).hostname for way in ways(both)]
    assert names == ["c", "a", "b"]
    for unproved in (ways(both, proved=False), ways(both, fresh=True)):
        assert [urlsplit(way).hostname for way in unproved] == ["a", "b"]


@pytest.mark.parametrize("text", ["x=", "=http://m", "a b=http://m", "cloud=m", "u@h=http://m"])
def test_what_is_no_mirror_is_a_wrong_setting(text: str) -> None:
    with pytest.raises(InvalidSettings):
        Mirrors(carrying=[text])


def test_the_longest_place_counts() -> None:
    places = ["h", "h/a", "h/a/b"]
    found = ByPlace((Place.parse(text, setting="x"), text) for text in places)
    assert found.find("https://h/a/b/c") == "h/a/b"
    assert found.find("https://h/a/bc") == "h/a"
    assert found.find("https://h/") == "h"
    assert found.find("https://hh/a") is None
