"""The answer file of Windows Setup, emitted as XML.

Source: Microsoft, "Unattended Windows Setup Reference": the components Microsoft-Windows-Shell-Setup,
Microsoft-Windows-UnattendedJoin and Microsoft-Windows-International-Core.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from xml.etree import ElementTree as ET

from image_library.domain.errors import InvalidGuestSetting, printable
from image_library.domain.secret import Secret
from image_library.domain.windows.answers import ADMINISTRATOR, DomainJoin, WindowsAnswers

NAMESPACE = "urn:schemas-microsoft-com:unattend"
_WCM = "http://schemas.microsoft.com/WMIConfig/2002/State"
_SHELL = "Microsoft-Windows-Shell-Setup"
# As Windows names processors.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
# A component's identity; the token is that of Microsoft's own key.
_IDENTITY = {"publicKeyToken": "31bf3856ad364e35", "language": "neutral", "versionScope": "nonSxS"}
HIDDEN = "(hidden)"

# A tree of settings: texts, or further ones. What is empty is left out.
Settings = Mapping[str, "str | Settings"]
_Reveal = Callable[[Secret], str]


def unattend_document(answers: WindowsAnswers, *, architecture: str, hide_secrets: bool = False) -> str:
    """The answer file for ``answers``; with ``hide_secrets``, to be shown.

    Raises:
        InvalidGuestSetting: Windows does not run on such a processor.
    """
    if architecture not in _ARCHITECTURES:
        raise InvalidGuestSetting(f"Windows does not run on {printable(architecture)}.", field="architecture")
    writer = _Writer(_ARCHITECTURES[architecture], hide_secrets=hide_secrets)
    writer.settings("specialize", _specialize(answers, writer.secret))
    writer.settings("oobeSystem", _oobe(answers, writer))
    return writer.text()


def _specialize(answers: WindowsAnswers, secret: _Reveal) -> Iterator[tuple[str, Settings]]:
    yield (
        _SHELL,
        {
            "ComputerName": answers.hostname,
            "ProductKey": secret(answers.product_key),
            "TimeZone": answers.timezone,
        },
    )
    if answers.join:
        yield "Microsoft-Windows-UnattendedJoin", {"Identification": _identification(answers.join, secret)}


def _identification(join: DomainJoin, secret: _Reveal) -> Settings:
    domain, user = join.domain, join.user
    if "\\" in user:
        domain, _, user = user.partition("\\")
    return {
        "Credentials": {"Domain": domain, "Username": user, "Password": secret(join.password)},
        "JoinDomain": join.domain,
        "MachineObjectOU": join.organizational_unit,
    }


def _oobe(answers: WindowsAnswers, writer: _Writer) -> Iterator[tuple[str, Settings]]:
    if answers.locale:
        names = ("InputLocale", "SystemLocale", "UILanguage", "UserLocale")
        yield "Microsoft-Windows-International-Core", dict.fromkeys(names, answers.locale)
    shell: dict[str, str | Settings] = {
        # Nobody sits there to be asked: the questions of the first boot are all answered.
        "OOBE": {"HideEULAPage": "true", "HideOnlineAccountScreens": "true", "ProtectYourPC": "3"}
        | {"HideWirelessSetupInOOBE": "true", "HideLocalAccountScreen": "true"},
    }
    if answers.administrator_password:
        password = writer.encoded(answers.administrator_password, "AdministratorPassword")
        shell["UserAccounts"] = {"AdministratorPassword": password}
    if answers.first_logon_commands:
        shell["AutoLogon"] = {
            "Enabled": "true",
            "LogonCount": "1",
            "Username": ADMINISTRATOR,
            "Password": writer.encoded(answers.administrator_password, "Password"),
        }
        shell["FirstLogonCommands"] = {
            f"SynchronousCommand {number}": {"Order": str(number), "CommandLine": line}
            for number, line in enumerate(answers.first_logon_commands, 1)
        }
    yield _SHELL, shell


class _Writer:
    """Builds the tree; every text goes through the emitter, none into markup."""

    def __init__(self, architecture: str, *, hide_secrets: bool) -> None:
        self._identity = {"processorArchitecture": architecture, **_IDENTITY}
        self._hide = hide_secrets
        self._root = ET.Element("unattend", {"xmlns": NAMESPACE, "xmlns:wcm": _WCM})

    def secret(self, secret: Secret) -> str:
        return HIDDEN if secret and self._hide else secret.reveal()

    def encoded(self, password: Secret, element: str) -> Settings:
        """A password as Setup hides it: the element's name behind it, UTF-16, base64. Anybody can read it."""
        hidden = b64encode((password.reveal() + element).encode("utf-16-le")).decode("ascii")
        return {"Value": HIDDEN if self._hide else hidden, "PlainText": "false"}

    def settings(self, phase: str, components: Iterator[tuple[str, Settings]]) -> None:
        parent = ET.SubElement(self._root, "settings", {"pass": phase})
        for name, settings in components:
            self._add(ET.SubElement(parent, "component", {"name": name, **self._identity}), settings)

    def _add(self, parent: ET.Element, settings: Settings) -> None:
        for key, value in settings.items():
            if not value:
                continue
            # A list's items have a number behind their name, and say that they are to be added.
            name, _, item = key.partition(" ")
            element = ET.SubElement(parent, name, {"wcm:action": "add"} if item else {})
            if isinstance(value, str):
                element.text = value
            else:
                self._add(element, value)

    def text(self) -> str:
        ET.indent(self._root)
        return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(self._root, encoding="unicode") + "\n"
