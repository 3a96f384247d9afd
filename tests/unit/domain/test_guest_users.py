"""Accounts are judged, and say exactly what was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from image_library.domain.cloud_init import Provisioning, identity_of, user_data_document, without_secrets
from image_library.domain.errors import InvalidGuestSetting, InvalidPassword, InvalidUser
from image_library.domain.guest_users import MOST_USERS, Privilege, UserWish
from image_library.domain.os_info import GuestTraits
from image_library.domain.secret import Secret

HASH = Secret("$6$rounds=5000$saltstring$" + "a" * 86)
DEBIAN = GuestTraits(admin_group="sudo", agent_preinstalled=True)


def document(*users: UserWish, **asked: Any) -> dict[str, Any]:
    wanted = Provisioning(users=users, **asked)
    return user_data_document(identity_of(wanted, vm_name="web", image_user="debian", traits=DEBIAN))


def test_the_first_user_may_be_told_more_without_its_name() -> None:
    said = document(UserWish(full_name="Ana López", groups=("docker",), password_hash=HASH))
    assert said["users"] == [
        {
            "name": "debian",
            "gecos": "Ana López",
            "groups": ["sudo", "docker"],
            "sudo": "ALL=(ALL) NOPASSWD:ALL",
            "shell": "/bin/bash",
            "lock_passwd": False,
            "hashed_passwd": HASH.reveal(),
        }
    ]


def test_others_have_no_rights_unless_they_are_given_some() -> None:
    said = document(
        UserWish(name="bob", ssh_import_ids=("gh:bob", "lp:bob")),
        UserWish(name="eve", privilege=Privilege.ADMINISTRATOR, shell="/bin/zsh"),
        UserWish(name="ops", sudo_rule="ALL=(root) NOPASSWD:/usr/bin/systemctl restart nginx"),
    )
    first, bob, eve, ops = said["users"]
    assert first["name"] == "debian"
    assert bob == {
        "name": "bob",
        "shell": "/bin/bash",
        "lock_passwd": True,
        "ssh_import_id": ["gh:bob", "lp:bob"],
    }
    assert (eve["groups"], eve["sudo"], eve["shell"]) == (["sudo"], "ALL=(ALL) NOPASSWD:ALL", "/bin/zsh")
    assert "groups" not in ops
    assert ops["sudo"].startswith("ALL=(root)")


def test_the_first_user_may_have_no_rights() -> None:
    (user,) = document(UserWish(name="debian", privilege=Privilege.NONE))["users"]
    assert "sudo" not in user
    assert "groups" not in user


def test_a_password_may_have_to_be_changed_and_ssh_is_opened_only_when_asked() -> None:
    said = document(UserWish(password_hash=HASH, must_change_password=True))
    assert said["chpasswd"] == {
        "expire": True,
        "users": [{"name": "debian", "password": HASH.reveal(), "type": "hash"}],
    }
    assert said["ssh_pwauth"] is False
    assert document(UserWish(password_hash=HASH), ssh_password_login=True)["ssh_pwauth"] is True


def test_roots_password_opens_root() -> None:
    said = document(UserWish(name="root", password_hash=HASH))
    assert said["disable_root"] is False
    assert said["users"][1] == {"name": "root", "lock_passwd": False, "hashed_passwd": HASH.reveal()}


def test_what_is_shown_has_no_hash() -> None:
    asked = Provisioning(users=(UserWish(password_hash=HASH, must_change_password=True),))
    identity = identity_of(asked, vm_name="web", image_user="debian", traits=DEBIAN)
    assert HASH.reveal() not in str(user_data_document(without_secrets(identity)))
    assert HASH.reveal() not in repr(identity) + repr(asked)


@pytest.mark.parametrize(
    ("user", "error"),
    [
        (UserWish(name="Ana"), InvalidUser),
        (UserWish(name="bob", full_name="a:b"), InvalidGuestSetting),
        (UserWish(name="bob", groups=("a b",)), InvalidGuestSetting),
        (UserWish(name="bob", groups=("g",) * 257), InvalidGuestSetting),
        (UserWish(name="bob", shell="bash; rm"), InvalidGuestSetting),
        (UserWish(name="bob", sudo_rule="ALL=(ALL) ALL\nroot ALL=(ALL) ALL"), InvalidGuestSetting),
        (UserWish(name="bob", sudo_rule="#include /x"), InvalidGuestSetting),
        (UserWish(name="bob", ssh_import_ids=("bob",)), InvalidGuestSetting),
        (UserWish(name="bob", ssh_import_ids=("gh:a b",)), InvalidGuestSetting),
        (UserWish(name="bob", password_hash=Secret("plain")), InvalidPassword),
        (UserWish(name="bob", password=Secret("plain")), InvalidPassword),
        (UserWish(name="bob", must_change_password=True), InvalidPassword),
    ],
)
def test_what_cannot_be_used_is_refused(user: UserWish, error: type[Exception]) -> None:
    with pytest.raises(error):
        document(user)


def test_nobody_is_there_twice_and_not_too_many() -> None:
    with pytest.raises(InvalidUser, match="twice"):
        document(UserWish(name="debian"), UserWish())
    with pytest.raises(InvalidUser, match="more than"):
        document(*(UserWish(name=f"u{n}") for n in range(MOST_USERS + 1)))
