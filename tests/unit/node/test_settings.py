"""A node's settings, judged before anything is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from image_library.domain.errors import InvalidSettings, ListenDenied
from image_library.node.settings import Settings

GOOD = Settings(data_dir=Path("data"), control_plane_url="http://127.0.0.1:7443", join_token="secret")


def test_the_usual_settings_pass() -> None:
    assert GOOD.checked() is GOOD
    assert (GOOD.listen_host, GOOD.listen_port) == ("127.0.0.1", 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"listen": "localhost:1"},
        {"listen": "[::1]:0"},
        {"listen": "0.0.0.0:9", "allow_plaintext": True},
        {"guest_listen": "192.0.2.1:8780", "guest_url": "http://192.0.2.1:8780"},
        {"guest_listen": "[2001:db8::1]:8780", "guest_url": "http://[2001:db8::1]:8780"},
        {
            "guest_listen": "192.0.2.1:443",
            "guest_url": "https://node.example",
            "guest_tls_cert": Path("c"),
            "guest_tls_key": Path("k"),
        },
        {"listen": "0.0.0.0:9", "tls_cert": Path("c"), "tls_key": Path("k")},
    ],
)
def test_these_pass_too(changes: dict[str, Any]) -> None:
    replace(GOOD, **changes).checked()


@pytest.mark.parametrize(
    "changes",
    [
        {"listen": "here"},
        {"listen": ":1"},
        {"listen": "127.0.0.1:99999"},
        {"listen": "127.0.0.1:\u0661"},
        {"advertise": "host"},
        {"join_token": ""},
        {"control_plane_url": "127.0.0.1"},
        {"accelerator": "warp"},
        {"tls_cert": Path("c")},
        {"guest_listen": "192.0.2.1:8780"},
        {"guest_url": "http://192.0.2.1:8780"},
        {"guest_listen": "0.0.0.0:8780", "guest_url": "http://192.0.2.1:8780"},
        {"guest_listen": "[::]:8780", "guest_url": "http://192.0.2.1:8780"},
        {"guest_listen": "192.0.2.1", "guest_url": "http://192.0.2.1:8780"},
        {"guest_listen": "192.0.2.1:8780", "guest_url": "http://192.0.2.1:8780/"},
        {"guest_listen": "192.0.2.1:8780", "guest_url": "http://u@192.0.2.1"},
        {"guest_listen": "192.0.2.1:8780", "guest_url": "http://a,b;c"},
        {"guest_listen": "192.0.2.1:8780", "guest_url": "https://node.example"},
    ],
)
def test_a_wrong_value_is_named(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings):
        replace(GOOD, **changes).checked()


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.1", "[::]", "node.example"])
def test_plain_text_is_for_loopback_only(host: str) -> None:
    with pytest.raises(ListenDenied):
        replace(GOOD, listen=f"{host}:7444").checked()


def test_the_join_token_is_not_printed() -> None:
    assert "secret" not in repr(GOOD)
