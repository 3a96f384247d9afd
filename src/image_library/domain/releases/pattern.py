"""Where a publisher keeps its dated builds: a URL with gaps for the version.

``https://host/rocky/{point}/images/Rocky-9-Base-{point}-{build}.qcow2`` matches the build "9.8-20260525.0".
Everything but the gaps is fixed, so an index cannot lead to another host or out of the folder.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property

from image_library.domain.errors import IndexUnreadable, InvalidCatalog, printable

_GAP = re.compile(r"\{(\w*)\}")
# Digits with separators; a build may have one letter before them, as in "r0" and "b293".
_GAPS = {
    "point": r"\d{1,8}(?:\.\d{1,8}){0,3}",
    "build": r"[a-z]?\d{1,16}(?:[._:-]\d{1,16}){0,5}",
}
_SOUND = re.compile(r"https://[A-Za-z0-9.-]+(?::\d{1,5})?(?:/[A-Za-z0-9._+{}:-]+)+")
_LONGEST_VERSION = 64
_LONGEST_URL = 1000


@dataclass(frozen=True)
class ReleasePattern:
    """``text`` is an https URL with "{point}" and "{build}" for what differs between builds.

    Raises:
        InvalidCatalog: it has no gap, an unknown one, or is no plain URL.
    """

    text: str

    def __post_init__(self) -> None:
        names = _GAP.findall(self.text)
        if not names or not set(names) <= set(_GAPS) or re.search(r"[{}]", _GAP.sub("", self.text)):
            raise InvalidCatalog("A release URL has {point} or {build} for what differs between builds.")
        if len(self.text) > _LONGEST_URL or not _SOUND.fullmatch(self.text) or "/.." in self.text:
            raise InvalidCatalog("A release URL is an https URL with a host and a path and nothing else.")

    @property
    def named_by_file(self) -> bool:
        """Whether the file's name alone tells the version, so that a URL can be made from it."""
        folder, _, name = self.text.rpartition("/")
        return bool(_GAP.search(name)) and set(_GAP.findall(folder)) <= set(_GAP.findall(name))

    def version_in(self, url: str) -> str | None:
        """The version of the build at ``url``; None where the URL is another one altogether.

        Raises:
            IndexUnreadable: the file has the right name and is somewhere else.
        """
        if found := self._of_url.fullmatch(url):
            return _version(found)
        if self._of_name.fullmatch(url.rpartition("/")[2]):
            raise IndexUnreadable(f"The index leads to '{printable(url)}', where no build of this image is.")
        return None

    def locate(self, filename: str) -> tuple[str, str] | None:
        """Version and URL of the build with this file name; None where it is another file."""
        found = self._of_name.fullmatch(filename)
        version = _version(found) if found else None
        if not found or not version or not self.named_by_file:
            return None
        return version, _GAP.sub(lambda gap: found[gap[1]], self.text)

    @cached_property
    def _of_url(self) -> re.Pattern[str]:
        return _compiled(self.text)

    @cached_property
    def _of_name(self) -> re.Pattern[str]:
        return _compiled(self.text.rpartition("/")[2])


def order_of(version: str) -> tuple[int, ...]:
    """By which builds are compared: the numbers in the version, one by one."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def _version(found: re.Match[str]) -> str | None:
    version = "-".join(found.groups())
    return version if len(version) <= _LONGEST_VERSION else None


def _compiled(text: str) -> re.Pattern[str]:
    """Equal gaps must have equal values, as the second one is a back-reference."""
    seen: set[str] = set()
    parts: list[str] = []
    end = 0
    for gap in _GAP.finditer(text):
        name = gap[1]
        parts.append(re.escape(text[end : gap.start()]))
        parts.append(f"(?P={name})" if name in seen else f"(?P<{name}>{_GAPS[name]})")
        seen.add(name)
        end = gap.end()
    return re.compile("".join(parts) + re.escape(text[end:]), re.ASCII)
