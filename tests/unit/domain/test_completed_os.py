from __future__ import annotations

from image_library.domain.guest_facts import GuestFacts, completed
from image_library.domain.os_info import OsInfo

FOUND = GuestFacts(
    distribution="ol", version="9.4", architecture="x86_64", default_user="cloud-user", read=True
)


def test_what_nobody_declared_is_taken_from_inside() -> None:
    known = completed(OsInfo(), FOUND)
    assert (known.distribution, known.version) == ("oraclelinux", "9.4")
    assert (known.architecture, known.default_user) == ("x86_64", "cloud-user")


def test_what_is_declared_stands() -> None:
    declared = OsInfo(distribution="rocky", version="9", architecture="aarch64", default_user="rocky")
    assert completed(declared, FOUND) == declared


def test_nothing_is_taken_from_what_was_not_read() -> None:
    assert completed(OsInfo(), GuestFacts(default_user="x")) == OsInfo()
    assert completed(OsInfo(), None) == OsInfo()
