"""Whatever a field is given, the guest's reader of YAML finds exactly that, or it was refused.

Each value is judged alone, which costs little. Those that are taken then share a document where the field
takes several, for writing and reading a document costs far more than what is in it. cloud-init's own schema
judges one document of each example: it takes longer still.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from image_library.catalog.loader import load_catalog
from image_library.controlplane.adapters.yaml_documents import YamlDocuments
from image_library.controlplane.services.provisioning import Guest, SeedRenderer
from image_library.domain.cloud_init import Provisioning, identity_of
from image_library.domain.errors import LibraryError
from image_library.domain.guest_system import GuestFile, GuestSystem, Keyboard, Mount, PhoneHome
from image_library.domain.guest_users import UserWish
from image_library.domain.network_wish import NetworkWish, network_of
from image_library.domain.os_info import GuestTraits
from tests.support.cloud_init_schema import Judge, cloud_inits_schema
from tests.support.sizes import size

Values = tuple[str, ...]
# Values in each example: together, a document of some kilobytes.
MANY = 50
EXAMPLES = size(6, 100_000 // MANY)
RENDERER = SeedRenderer(YamlDocuments())
HOSTILE = ("no", "1e3", "a: b", "- x", "&a *a", "!!python/x", "\u2028", "\ud800", "a\nb", "{{ x }}", "", "~")
# Most fields take few characters: from all of Unicode, next to no value would pass.
TEXT = (
    st.text(max_size=40)
    | st.text("aeNO019_.:@/+=~^- '\"#{}[]&*!|>%,`\\\n", max_size=16)
    | st.sampled_from(HOSTILE)
)


def debian() -> tuple[str, GuestTraits]:
    entry = load_catalog().find("debian-12")
    assert entry is not None
    return entry.os.default_user, entry.traits


USER, TRAITS = debian()
GUEST = Guest(
    vm_name="web-1",
    instance_id="i-1",
    image_user=USER,
    traits=TRAITS,
    network=network_of(NetworkWish(), "vm-1"),
)


@dataclass(frozen=True, kw_only=True)
class Field:
    # The wish with the values, and where they are found again.
    put: Callable[[Values], Provisioning]
    find: Callable[[Any], list[str]]
    # Whether the field takes one value only.
    alone: bool = False
    # What the guest is to find for a value.
    meant: Callable[[str], str] = str


def system(put: Callable[[Values], GuestSystem], find: Callable[[Any], list[str]], **more: Any) -> Field:
    return Field(put=lambda values: Provisioning(system=put(values)), find=find, **more)


def users(put: Callable[[str], UserWish], find: Callable[[Any], str], **more: Any) -> Field:
    def wish(values: Values) -> Provisioning:
        wishes = enumerate(map(put, values))
        return Provisioning(users=tuple(replace(one, name=one.name or f"u{n}") for n, one in wishes))

    return Field(put=wish, find=lambda document: [find(user) for user in document["users"][1:]], **more)


def public_key(number: int) -> str:
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes(31) + bytes([number])
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


def address(value: str) -> str:
    """IP addresses have one form only."""
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        return value


FIELDS: dict[str, Field] = {
    "hostname": Field(
        put=lambda v: Provisioning(hostname=v[0]),
        find=lambda d: [d["fqdn"]],
        meant=lambda value: value or "web-1",
        alone=True,
    ),
    "default_user": Field(
        put=lambda v: Provisioning(hostname="h", default_user=v[0]),
        find=lambda d: [d["users"][0]["name"]],
        meant=lambda value: value or USER,
        alone=True,
    ),
    "packages": Field(
        put=lambda v: Provisioning(packages=v),
        find=lambda d: [name for name in d["packages"] if name != TRAITS.agent_package],
    ),
    "run_commands": Field(
        put=lambda v: Provisioning(run_commands=v),
        find=lambda d: [words[2] for words in d["runcmd"][len(TRAITS.agent_commands) :]],
    ),
    "boot_commands": system(
        lambda v: GuestSystem(boot_commands=v), lambda d: [words[2] for words in d["bootcmd"]]
    ),
    "locale": system(lambda v: GuestSystem(locale=v[0]), lambda d: [d.get("locale", "")], alone=True),
    "timezone": system(lambda v: GuestSystem(timezone=v[0]), lambda d: [d.get("timezone", "")], alone=True),
    "keyboard": system(
        lambda v: GuestSystem(keyboard=Keyboard(layout=v[0], variant=v[0])),
        lambda d: [d.get("keyboard", {}).get("layout", "")],
        alone=True,
    ),
    "files.path": system(
        lambda v: GuestSystem(files=tuple(GuestFile(path=f"/{value}") for value in v)),
        lambda d: [file["path"][1:] for file in d["write_files"]],
    ),
    "files.text": system(
        lambda v: GuestSystem(files=tuple(GuestFile(path="/x", text=value) for value in v)),
        lambda d: [file["content"] for file in d["write_files"]],
    ),
    "mounts": system(
        lambda v: GuestSystem(mounts=tuple(Mount(source=value, target="none") for value in v)),
        lambda d: [words[0] for words in d["mounts"]],
    ),
    "ntp_servers": system(lambda v: GuestSystem(ntp_servers=v), lambda d: d["ntp"]["servers"], meant=address),
    "phone_home.url": system(
        lambda v: GuestSystem(phone_home=PhoneHome(url=f"https://h/{v[0]}")),
        lambda d: [d["phone_home"]["url"].removeprefix("https://h/")],
        alone=True,
    ),
    "users.name": users(lambda value: UserWish(name=f"u{value}"), lambda user: user["name"][1:]),
    "users.full_name": users(
        lambda value: UserWish(full_name=value), lambda user: user.get("gecos", ""), meant=str.strip
    ),
    "users.groups": users(lambda value: UserWish(groups=(value,)), lambda user: user["groups"][0]),
    "users.sudo_rule": users(
        lambda value: UserWish(sudo_rule=f"ALL=(ALL) /{value}"), lambda user: user["sudo"].partition("/")[2]
    ),
    "users.shell": users(lambda value: UserWish(shell=f"/{value}"), lambda user: user["shell"][1:]),
    "users.ssh_import_ids": users(
        lambda value: UserWish(ssh_import_ids=(f"gh:{value}",)), lambda user: user["ssh_import_id"][0][3:]
    ),
}


def is_taken(field: Field, value: str) -> bool:
    try:
        identity_of(field.put((value,)), vm_name="web-1", image_user=USER, traits=TRAITS)
    except LibraryError:
        return False
    return True


@pytest.fixture(scope="module")
def judge() -> Generator[Judge]:
    with cloud_inits_schema() as judge:
        yield judge


def user_data(asked: Provisioning) -> str:
    """Nothing that is taken may be refused by now."""
    return RENDERER.render(asked, GUEST).documents.user_data


@lru_cache(maxsize=200_000)
def found(name: str, values: Values) -> list[str]:
    field = FIELDS[name]
    return field.find(yaml.safe_load(user_data(field.put(values))))


@pytest.mark.parametrize("name", sorted(FIELDS))
@settings(max_examples=EXAMPLES)
@given(values=st.lists(TEXT, min_size=MANY, max_size=MANY))
def test_any_value_arrives_as_it_was_meant_or_is_refused(name: str, judge: Judge, values: list[str]) -> None:
    field = FIELDS[name]
    taken = {field.meant(value): value for value in values if is_taken(field, value)}
    documents = [(value,) for value in taken.values()] if field.alone else [tuple(taken.values())]
    for together in filter(None, documents):
        assert found(name, together) == [field.meant(value) for value in together]
    if taken:
        assert judge(user_data(field.put(documents[0]))) == "ok"


@settings(max_examples=EXAMPLES)
@given(comments=st.lists(TEXT, min_size=MANY, max_size=MANY))
def test_any_comment_of_a_key_changes_nothing_but_the_comment(comments: list[str]) -> None:
    keys: list[str] = []
    for comment in comments:
        line = f"{public_key(len(keys))} {comment}"
        try:
            identity_of(
                Provisioning(ssh_authorized_keys=(line,)), vm_name="web-1", image_user=USER, traits=TRAITS
            )
        except LibraryError:
            continue
        keys.append(line)
    document = yaml.safe_load(user_data(Provisioning(ssh_authorized_keys=tuple(keys))))
    lines = document["users"][0].get("ssh_authorized_keys", [])
    assert len(lines) == len(keys)
    for number, line in enumerate(lines):
        assert line == public_key(number) or line.startswith(f"{public_key(number)} ")
    usual = yaml.safe_load(user_data(Provisioning(ssh_authorized_keys=(public_key(0),))))
    assert set(document) == set(usual)
