"""The door's token, and what is made of a guest's own word."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
import yaml

from image_library.domain.guest_door import (
    DIRECT,
    DoorLock,
    Doorway,
    Doorways,
    NotAReport,
    read_report,
    reports_home,
    with_door,
)
from image_library.domain.network_config import Addressing, Bond, Card, Network, parse_static_address
from image_library.domain.secret import Secret
from image_library.domain.vm import Datasource, SeedDocuments

NOW = datetime(2026, 1, 2, tzinfo=UTC)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
FORM = {
    "pub_key_rsa": "N/A",
    "pub_key_ed25519": f"{KEY} root@web\n",
    "instance_id": "i-1",
    "hostname": "web",
    "fqdn": "web.example.org",
}
TOKEN = Secret("t0ken")
SEED = SeedDocuments(user_data="#cloud-config\n", meta_data="instance-id: i-1\n")
DHCP = Addressing()
CARD = Card(name="eth0", mac_address="52:54:00:12:34:56")


def form(**fields: str) -> bytes:
    return urlencode({**FORM, **fields}).encode()


def test_a_report_names_the_guest_and_its_keys() -> None:
    report = read_report(form(), at=NOW)
    assert (report.instance_id, report.hostname, report.reported_at) == ("i-1", "web.example.org", NOW)
    assert report.host_keys == (KEY,)


@pytest.mark.parametrize("key", ["", "N/A", "ssh-dss AAAA", KEY[:-3], f"{KEY}\n{KEY}", "command=x " + KEY])
def test_what_is_no_key_is_left_out(key: str) -> None:
    assert read_report(form(pub_key_ed25519=key), at=NOW).host_keys == ()


def test_a_guests_words_are_text_without_control_characters_and_bounded() -> None:
    report = read_report(form(fqdn="\x1b[2Jweb\n" + "x" * 900, instance_id="i\r\n" + "y" * 900), at=NOW)
    assert report.hostname.startswith("\\u001b[2Jweb\\u000a")
    assert (len(report.hostname), len(report.instance_id)) == (253, 128)
    assert report.hostname.isprintable()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"instance_id",
        b"hostname=web",
        b"instance_id=i&instance_id=j",
        b"instance_id=i&admin=yes",
        b"instance_id=%ff%fe",
        "instance_id=ü".encode(),
        b"&".join(b"instance_id=i" for _ in range(1000)),
        json.dumps(FORM).encode(),
    ],
)
def test_any_other_form_is_no_report(body: bytes) -> None:
    with pytest.raises(NotAReport):
        read_report(body, at=NOW)


def test_a_lock_knows_its_token_and_does_not_hold_it() -> None:
    lock = DoorLock.of(TOKEN)
    assert lock.fits(TOKEN)
    assert not lock.fits(Secret("another"))
    assert not lock.fits(Secret("\ud800"))
    assert not DoorLock().fits(Secret(""))
    assert TOKEN.reveal() not in repr(lock)


def test_a_used_lock_knows_the_same_report_again() -> None:
    used = DoorLock.of(TOKEN).used_by(form())
    assert used.is_used
    assert used.is_repeated(form())
    assert not used.is_repeated(form(hostname="other"))
    assert not DoorLock.of(TOKEN).is_used


def test_the_vendor_data_is_yaml_that_says_where_to_report_once() -> None:
    made = with_door(SEED, DIRECT, TOKEN)
    told = yaml.safe_load(made.vendor_data)["phone_home"]
    assert made.vendor_data.startswith("#cloud-config\n")
    assert told["url"] == "http://10.0.2.100/t0ken"
    assert set(told["post"]) == {"pub_key_rsa", "pub_key_ecdsa", *FORM}
    assert told["tries"] == 3
    assert made.user_data == SEED.user_data
    assert TOKEN.reveal() not in repr(made)


def test_a_config_drive_carries_it_in_its_own_form() -> None:
    drive = with_door(replace(SEED, datasource=Datasource.CONFIG_DRIVE), DIRECT, TOKEN)
    assert json.loads(drive.vendor_data)["cloud-init"] == with_door(SEED, DIRECT, TOKEN).vendor_data


def network(addressing: Addressing = DHCP, *bonds: Bond) -> Network:
    return Network(cards=(replace(CARD, addressing=addressing),), bonds=bonds)


def test_what_the_user_says_of_it_stays_the_users() -> None:
    assert reports_home(SEED, network())
    assert not reports_home(replace(SEED, vendor_data="#!/bin/sh\n"), network())
    assert not reports_home(replace(SEED, user_data="#cloud-config\nphone_home: {url: x}\n"), network())


def test_a_guest_that_cannot_get_there_is_not_asked() -> None:
    static = Addressing(addresses=(parse_static_address(address="192.0.2.10/24"),))
    bond = Bond(name="bond0", members=("eth0",), mode="active-backup")
    assert not reports_home(SEED, network(static))
    assert not reports_home(SEED, network(DHCP, bond))
    # Whether there is a way from a bridge, only the node knows.
    assert reports_home(SEED, Network(cards=(replace(CARD, bridge="br0", addressing=static),)))
    assert reports_home(SEED, network(replace(static, dhcp4=True)))


OPERATORS = Doorway(url="http://192.0.2.1:8780")


def test_a_way_on_which_others_can_be_is_asked_for_no_keys_and_takes_none() -> None:
    told = yaml.safe_load(with_door(SEED, OPERATORS, TOKEN).vendor_data)["phone_home"]
    assert told["url"] == "http://192.0.2.1:8780/t0ken"
    assert told["post"] == ["instance_id", "hostname", "fqdn"]
    with pytest.raises(NotAReport):
        read_report(form(), at=NOW, doorway=OPERATORS)
    names = urlencode({key: said for key, said in FORM.items() if not key.startswith("pub_key")}).encode()
    assert read_report(names, at=NOW, doorway=OPERATORS).hostname == "web.example.org"
    private = replace(OPERATORS, url="https://node.example")
    assert read_report(form(), at=NOW, doorway=private).host_keys == (KEY,)


def test_a_guest_behind_its_node_goes_the_way_that_is_no_network() -> None:
    both = Doorways(direct=True, operator=OPERATORS)
    assert (both.of(""), both.of("br0")) == (DIRECT, OPERATORS)
    assert (Doorways(operator=OPERATORS).of(""), Doorways(direct=True).of("br0")) == (OPERATORS, None)
