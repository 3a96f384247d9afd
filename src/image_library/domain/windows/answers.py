"""What a Windows guest that was generalised with Sysprep asks for: as it is wished, and as it is judged."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from image_library.domain.errors import (
    InvalidGuestSetting,
    InvalidHostname,
    InvalidPassword,
    InvalidUser,
    printable,
)
from image_library.domain.secret import NOTHING, Secret
from image_library.domain.texts import readable

ADMINISTRATOR = "Administrator"
MOST_COMMANDS = 64
# What Setup gives a command line, and most other texts.
LONGEST_COMMAND = 1024
LONGEST_TEXT = 256
LONGEST_PASSWORD = 127
# NetBIOS: what Windows takes as the name of a computer.
LONGEST_NAME = 15
_NAME = re.compile(r"(?!\d+$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,13}[A-Za-z0-9])?")
_PRODUCT_KEY = re.compile(r"(?:[A-Z0-9]{5}-){4}[A-Z0-9]{5}")
_LOCALE = re.compile(r"[a-z]{2,3}(?:-[A-Z][a-z]{3})?-(?:[A-Z]{2}|\d{3})")
_DOMAIN = re.compile(r"(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})(?:\.[A-Za-z0-9][A-Za-z0-9-]{0,62})*")
# NAME, DOMAIN\NAME or NAME@DOMAIN; the characters that Windows refuses in account names are left out.
_ACCOUNT = re.compile(r'[^\s"/\[\]:;|=,+*?<>\x00-\x1f](?:[^"/\[\]:;|=,+*?<>\x00-\x1f]{0,254})')


@dataclass(frozen=True, kw_only=True)
class WindowsWish:
    """What is asked for. It may hold secrets and does not print them."""

    # A whole answer file instead of the fields.
    unattend_xml: str = field(default="", repr=False)
    # Empty: the VM's name.
    hostname: str = ""
    administrator_password: Secret = NOTHING
    product_key: Secret = NOTHING
    # To be joined, with an account that may do so.
    domain: str = ""
    domain_user: str = ""
    domain_password: Secret = NOTHING
    # Where the computer is to stand in the directory: OU=Servers,DC=example,DC=com.
    organizational_unit: str = ""
    # Of texts, dates and keyboard: "de-DE". Empty: as the image has it.
    locale: str = ""
    # As Windows names it: "W. Europe Standard Time".
    timezone: str = ""
    # Command lines, run in order when the administrator is logged on for the first time, once, by itself.
    first_logon_commands: tuple[str, ...] = field(default=(), repr=False)

    @property
    def has_fields(self) -> bool:
        return self != WindowsWish(unattend_xml=self.unattend_xml)


@dataclass(frozen=True, kw_only=True)
class DomainJoin:
    domain: str
    user: str
    password: Secret
    organizational_unit: str = ""


@dataclass(frozen=True, kw_only=True)
class WindowsAnswers:
    """The judged answers."""

    hostname: str
    administrator_password: Secret = NOTHING
    product_key: Secret = NOTHING
    join: DomainJoin | None = None
    locale: str = ""
    timezone: str = ""
    first_logon_commands: tuple[str, ...] = field(default=(), repr=False)


def answers_of(wish: WindowsWish, *, vm_name: str) -> WindowsAnswers:
    """The answers that are asked for.

    Raises:
        InvalidHostname, InvalidPassword, InvalidUser, InvalidGuestSetting: a value cannot be used.
    """
    commands = tuple(map(_command, wish.first_logon_commands))
    if len(commands) > MOST_COMMANDS:
        raise InvalidGuestSetting(
            f"There are {len(commands)} commands; at most {MOST_COMMANDS} are taken.",
            field="first_logon_commands",
        )
    password = _password(wish.administrator_password, "administrator_password")
    if commands and not password:
        raise InvalidPassword(
            "Commands run when the administrator logs on, and there is no password to do that with.",
            remedy="Give one: administrator_password.",
            field="administrator_password",
        )
    return WindowsAnswers(
        hostname=_judged_name(wish.hostname) if wish.hostname else computer_name(vm_name),
        administrator_password=password,
        product_key=_product_key(wish.product_key),
        join=_join(wish),
        locale=_matching(_LOCALE, wish.locale, "locale", "a locale such as de-DE"),
        timezone=_timezone(wish.timezone),
        first_logon_commands=commands,
    )


def computer_name(vm_name: str) -> str:
    """The computer's name that a VM's name becomes: ``web_server.example`` is ``WEB-SERVER``.

    Raises:
        InvalidHostname: nothing of the name can be one.
    """
    label = re.sub(r"[^A-Za-z0-9]+", "-", vm_name.partition(".")[0]).strip("-").upper()
    name = label[:LONGEST_NAME].strip("-")
    if name.isdecimal():
        name = f"VM-{name}"[:LONGEST_NAME]
    if not _NAME.fullmatch(name):
        raise InvalidHostname(f"'{printable(vm_name)}' makes no computer name; give one.", field="hostname")
    return name


def _judged_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidHostname(
            f"'{printable(name)}' is not the name of a Windows computer.",
            remedy=f"Use 1 to {LONGEST_NAME} letters, digits and '-', not digits alone.",
            field="hostname",
        )
    return name


def _password(given: Secret, field: str) -> Secret:
    text = given.reveal()
    if any(not c.isprintable() for c in text) or len(text) > LONGEST_PASSWORD:
        raise InvalidPassword(
            f"A password has at most {LONGEST_PASSWORD} characters, and none that cannot be typed.",
            field=field,
        )
    return given


def _product_key(given: Secret) -> Secret:
    text = given.reveal().strip().upper()
    if text and not _PRODUCT_KEY.fullmatch(text):
        # The message does not repeat it.
        raise InvalidGuestSetting(
            "This is no product key.",
            remedy="It has five groups of five: XXXXX-XXXXX-XXXXX-XXXXX-XXXXX.",
            field="product_key",
        )
    return Secret(text)


def _join(wish: WindowsWish) -> DomainJoin | None:
    if not wish.domain:
        if wish.domain_user or wish.domain_password or wish.organizational_unit:
            raise InvalidGuestSetting("An account of a domain is given, but no domain.", field="domain")
        return None
    if not (wish.domain_user and wish.domain_password):
        raise InvalidGuestSetting(
            "A computer joins a domain with an account that may do so, and there is none.",
            remedy="Give domain_user and domain_password.",
            field="domain_user",
        )
    if not _ACCOUNT.fullmatch(wish.domain_user):
        raise InvalidUser(f"'{printable(wish.domain_user)}' is no account's name.", field="domain_user")
    return DomainJoin(
        domain=_matching(_DOMAIN, wish.domain, "domain", "the name of a domain, such as example.com"),
        user=wish.domain_user,
        password=_password(wish.domain_password, "domain_password"),
        organizational_unit=readable(
            wish.organizational_unit, field="organizational_unit", most=LONGEST_TEXT
        ),
    )


def _timezone(name: str) -> str:
    if "/" in name:
        raise InvalidGuestSetting(
            f"'{printable(name)}' is not how Windows names a time zone.",
            remedy="Use its own name, such as 'W. Europe Standard Time'; 'tzutil /l' lists them.",
            field="timezone",
        )
    return readable(name, field="timezone", most=LONGEST_TEXT)


def _command(line: str) -> str:
    if not line.strip():
        raise InvalidGuestSetting(
            "One of the commands is empty.", remedy="Leave it out.", field="first_logon_commands"
        )
    return readable(line, field="first_logon_commands", most=LONGEST_COMMAND)


def _matching(pattern: re.Pattern[str], text: str, field: str, what: str) -> str:
    if text and not pattern.fullmatch(text):
        raise InvalidGuestSetting(f"'{printable(text)}' is not {what}.", field=field)
    return text
