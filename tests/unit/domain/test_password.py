"""Passwords become the hashes that every guest knows, and show themselves nowhere."""

from __future__ import annotations

import pickle
import subprocess

import pytest

from image_library.domain.errors import InvalidPassword
from image_library.domain.password import hashed, valid_hash
from image_library.domain.secret import Secret

SALT = "saltstringsaltst"


def by_openssl(password: str, salt: str) -> str:
    done = subprocess.run(
        ["openssl", "passwd", "-6", "-salt", salt, "-stdin"],
        input=password + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("password", ["a", "Hello world!", "grüße", "x" * 63, "y" * 64, "z" * 65, "$6$ '"])
def test_the_hash_is_the_one_that_openssl_makes(password: str) -> None:
    ours = hashed(Secret(password), salt=SALT, rounds=5000).reveal()
    assert ours.replace("rounds=5000$", "") == by_openssl(password, SALT)


def test_the_specifications_own_example() -> None:
    made = hashed(Secret("Hello world!"), salt=SALT, rounds=10000).reveal()
    assert made == (
        "$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXbDWra3Oeqh0sb"
        "HbbMCVNSnCM/UrjmM0Dp8vOuZeHBy/YTBmSK6H9qs/y3RnOaw5v."
    )


@pytest.mark.parametrize("password", ["", "a\nb", "a\0", "\u202e", "x" * 257, "ü" * 129])
def test_a_password_that_nobody_can_type_is_refused(password: str) -> None:
    with pytest.raises(InvalidPassword) as caught:
        hashed(Secret(password), salt=SALT)
    assert not password or password not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        hashed(Secret("x"), salt=SALT, rounds=1000).reveal(),
        "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7",
    ],
)
def test_strong_hashes_are_taken(text: str) -> None:
    assert valid_hash(Secret(text)).reveal() == text


@pytest.mark.parametrize("text", ["secret", "$1$ab$cd", "$5$ab$cd", "$6$ab$cd", "$6$a:b$" + "x" * 86, "$y$"])
def test_weak_hashes_and_plain_passwords_are_no_hashes(text: str) -> None:
    with pytest.raises(InvalidPassword) as caught:
        valid_hash(Secret(text))
    assert text == "$y$" or text not in str(caught.value)


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret("canary")
    assert "canary" not in f"{secret} {secret!r} {[secret]}"
    assert secret == Secret("canary")
    assert secret != Secret("other")
    assert secret != "canary"
    assert hash(secret) == hash(Secret("canary"))
    assert not Secret()
    with pytest.raises(TypeError):
        pickle.dumps(secret)
