"""A VM's own wishes on top of its profile's: one rule for every field.

Lists are joined, the profile's first. Of everything else the VM's own stands where it says anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar, cast

from image_library.domain.cloud_init import Provisioning
from image_library.domain.guest_users import UserWish
from image_library.domain.network_wish import NetworkWish
from image_library.domain.secret import NOTHING

T = TypeVar("T")


def merged(base: Provisioning, own: Provisioning) -> Provisioning:
    """Users of the same name are merged as well; one without a name is the one who logs in."""
    return replace(_over(base, own), users=tuple(_users(base.users, own.users)))


def network_over(base: NetworkWish, own: NetworkWish) -> NetworkWish:
    """The VM's own network as a whole, where it asks for any."""
    return own if own != NetworkWish() else base


def _users(base: tuple[UserWish, ...], own: tuple[UserWish, ...]) -> Iterator[UserWish]:
    for user in base:
        same = next((one for one in own if one.name == user.name), None)
        if same and (same.password or same.password_hash):
            user = replace(user, password=NOTHING, password_hash=NOTHING)
        yield _over(user, same) if same else user
    known = {user.name for user in base}
    yield from (user for user in own if user.name not in known)


def _over(base: T, own: T) -> T:
    # One of its kind that asks for nothing.
    usual = type(own)()
    changes = {
        name: _value(getattr(base, name), getattr(own, name), getattr(usual, name))
        for name in (one.name for one in fields(cast("Any", own)))
    }
    return cast("T", replace(cast("Any", own), **changes))


def _value(base: Any, own: Any, usual: Any) -> Any:
    if isinstance(own, tuple):
        return (*base, *own)
    if is_dataclass(own):
        return _over(base, own)
    return base if own == usual else own
