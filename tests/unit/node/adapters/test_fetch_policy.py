"""Which URLs may be fetched, and through what."""

from __future__ import annotations

import pytest

from image_library.domain.addresses import AllowedSources, DeniedSources
from image_library.domain.errors import (
    AddressDenied,
    InvalidSettings,
    LibraryError,
    RedirectDenied,
    UrlNotAllowed,
)
from image_library.node.adapters.fetcher.mirrors import Mirrors
from image_library.node.adapters.fetcher.policy import Hop, SourcePolicy, shown
from image_library.node.adapters.fetcher.proxies import proxies_from
from image_library.node.ports.fetching import Source

PLAIN = SourcePolicy()
MIRROR = SourcePolicy(mirrors=Mirrors(standing_in=["http://127.0.0.1:8080/mirror/"]))


def first(policy: SourcePolicy, url: str, *, digest: bool = False) -> Hop:
    way = policy.ways(Source(url=url, digest_known=digest))[0]
    return policy.first(way.url, http_will_do=digest)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://example.org/x",
        "gopher://example.org/x",
        "data:text/plain,x",
        "//example.org/x",
        "/etc/passwd",
        "example.org",
        "https://",
        "https:///x",
        "https://user:pw@example.org/x",
        "https://example.org/a b",
        "https://example.org/a\nb",
        "https://example.org/\x00",
        "https://example.org\\@evil/x",
        "https://example.org:99999/x",
        "https://ex\u2460mple.org/x",
        "https://example.org/" + "x" * 8192,
        "http://example.org/x",
        "",
    ],
)
def test_what_is_no_plain_https_url_is_refused(url: str) -> None:
    with pytest.raises(UrlNotAllowed):
        first(PLAIN, url)


def test_http_will_do_where_a_digest_is_known() -> None:
    assert not first(PLAIN, "http://example.org/x", digest=True).encrypted


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/x",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]:8443/x",
        "https://169.254.169.254/",
    ],
)
def test_a_private_address_in_the_url_is_denied(url: str) -> None:
    with pytest.raises(AddressDenied):
        first(PLAIN, url)


def test_an_operator_may_allow_it() -> None:
    policy = SourcePolicy(allowed=AllowedSources.parse("127.0.0.0/8,files.internal"))
    assert first(policy, "https://127.0.0.1/x").host == "127.0.0.1"
    assert policy.trusts("files.internal", 443)
    assert not policy.trusts("files.internal.evil.org", 443)


def test_a_mirror_stands_before_every_host() -> None:
    hop = first(MIRROR, "https://cloud.debian.org/images/x.qcow2?a=b")
    assert hop.url == "http://127.0.0.1:8080/mirror/cloud.debian.org/images/x.qcow2?a=b"
    assert first(MIRROR, "https://host:8443/x").url == "http://127.0.0.1:8080/mirror/host:8443/x"


def test_only_the_mirror_itself_is_trusted_not_its_address() -> None:
    assert MIRROR.trusts("127.0.0.1", 8080)
    assert not MIRROR.trusts("127.0.0.1", 22)


@pytest.mark.parametrize("mirror", ["ftp://x/", "mirror", "http://", "http://u:p@host/"])
def test_a_mirror_that_is_no_url_is_a_wrong_setting(mirror: str) -> None:
    with pytest.raises(InvalidSettings, match="mirror"):
        SourcePolicy(mirrors=Mirrors(standing_in=[mirror]))


def redirect(location: str, *, start: str = "https://example.org/a/b", digest: bool = False) -> Hop:
    return PLAIN.redirected(first(PLAIN, start, digest=digest), location, http_will_do=digest)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/c", "https://example.org/c"),
        ("c?d", "https://example.org/a/c?d"),
        ("//other.org/c", "https://other.org/c"),
        ("https://other.org:8443/c#e", "https://other.org:8443/c"),
    ],
)
def test_a_redirect_is_followed(location: str, url: str) -> None:
    assert redirect(location).url == url


@pytest.mark.parametrize(
    ("location", "error"),
    [
        ("http://example.org/c", RedirectDenied),
        ("file:///etc/passwd", RedirectDenied),
        ("https://u:p@example.org/", RedirectDenied),
        ("https://example.org/\r\nX: y", RedirectDenied),
        ("https://10.0.0.1/", AddressDenied),
        ("https://[fd00::1]/", AddressDenied),
    ],
)
def test_a_redirect_to_where_nobody_may_go_is_not(location: str, error: type[LibraryError]) -> None:
    with pytest.raises(error):
        redirect(location)


def test_a_digest_does_not_allow_to_lose_encryption() -> None:
    with pytest.raises(RedirectDenied, match="from https at example"):
        redirect("http://example.org/c", digest=True)


def test_five_redirects_are_enough() -> None:
    hop = first(PLAIN, "https://example.org/0")
    for number in range(1, 6):
        hop = PLAIN.redirected(hop, f"/{number}", http_will_do=False)
    with pytest.raises(RedirectDenied, match="at most 5"):
        PLAIN.redirected(hop, "/6", http_will_do=False)


def test_a_proxy_is_used_as_the_environment_says() -> None:
    proxies = proxies_from(
        {
            "HTTPS_PROXY": "http://proxy:3128",
            "HTTP_PROXY": "http://evil:1",
            "NO_PROXY": "internal, .example.com",
        }
    )
    policy = SourcePolicy(proxies=proxies)
    assert first(policy, "https://example.org/x").proxy == "http://proxy:3128"
    assert first(policy, "http://example.org/x", digest=True).proxy == ""
    assert first(policy, "https://a.example.com/x").proxy == ""
    assert first(policy, "https://internal/x").proxy == ""
    assert policy.trusts("proxy", 3128)


@pytest.mark.parametrize(
    ("exempt", "url", "direct"),
    [
        ("10.0.0.0/8", "https://10.1.2.3/x", True),
        ("10.0.0.0/8", "https://11.1.2.3/x", False),
        ("10.0.0.0/8", "https://10.example/x", False),
        ("10.0.0.7", "https://10.0.0.7/x", True),
        ("fd00::/8", "https://[fd00::1]/x", True),
        ("[fd00::1]", "https://[fd00::1]/x", True),
        ("[fd00::1]:8443", "https://[fd00::1]/x", False),
        ("example.org:8443", "https://example.org:8443/x", True),
        ("example.org:8443", "https://example.org/x", False),
        ("*.example.org", "https://a.example.org/x", True),
        ("example.org", "https://a.example.org/x", True),
        ("example.org", "https://notexample.org/x", False),
        ("*", "https://example.org/x", True),
        (" , ,", "https://example.org/x", False),
    ],
)
def test_what_no_proxy_exempts_is_reached_directly(exempt: str, url: str, direct: bool) -> None:
    proxies = proxies_from({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": exempt})
    policy = SourcePolicy(allowed=AllowedSources.parse("10.0.0.0/7,fd00::/8"), proxies=proxies)
    assert (first(policy, url).proxy == "") is direct


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("socks5h://u:canary@proxy:1080", "names a socks5h proxy; only http"),
        ("http://", "names no proxy's host"),
        ("http://u:canary@proxy:port", "names no proxy's host"),
        ("http://u:canary@[::1", "names no proxy's host"),
    ],
)
@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY", "http_proxy", "ALL_PROXY"])
def test_what_is_no_http_proxy_is_refused_at_the_start_without_being_shown(
    variable: str, text: str, said: str
) -> None:
    with pytest.raises(InvalidSettings, match=said) as refused:
        proxies_from({variable: text})
    assert refused.value.message.startswith(variable)
    assert "canary" not in refused.value.message + refused.value.remedy
    assert proxies_from({variable: text, "NO_PROXY": "*"}).https == ""


def test_the_mirror_is_reached_directly() -> None:
    proxies = proxies_from({"http_proxy": "http://proxy:3128"})
    policy = SourcePolicy(mirrors=Mirrors(standing_in=["http://mirror.internal"]), proxies=proxies)
    assert first(policy, "https://example.org/x").proxy == ""


def test_a_url_is_shown_without_its_secrets() -> None:
    assert shown("https://u:p@example.org/x?token=secret") == "https://example.org/x"


def test_star_denies_what_is_not_named() -> None:
    only = SourcePolicy(
        allowed=AllowedSources.parse("images.example,151.101.0.0/16"), denied=DeniedSources.parse(["*"])
    )
    only.judge_address("151.101.2.132", "any.example")
    only.judge_address("2.2.2.2", "images.example", trusted=only.trusts("images.example", 443))
    with pytest.raises(AddressDenied, match="operator does not let"):
        only.judge_address("2.2.2.2", "any.example")
    with pytest.raises(AddressDenied):
        first(only, "https://2.2.2.2/x")


def test_where_a_proxy_looks_names_up_only_a_name_can_be_allowed() -> None:
    proxied = SourcePolicy(
        allowed=AllowedSources.parse("images.example,151.101.0.0/16"),
        denied=DeniedSources.parse(["*"]),
        proxies=proxies_from({"https_proxy": "http://proxy:3128"}),
    )
    assert first(proxied, "https://images.example/x").proxy == "http://proxy:3128"
    assert first(proxied, "https://151.101.2.132/x").proxy == "http://proxy:3128"
    with pytest.raises(AddressDenied):
        first(proxied, "https://other.example/x")


@pytest.mark.parametrize("location", ["http://[::1", "https://[x]/", "//[::1"])
def test_a_redirect_to_what_no_url_is_is_refused(location: str) -> None:
    with pytest.raises(RedirectDenied):
        redirect(location)
