"""How far the images must be proved that VMs are made from: for everybody, and for single projects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from image_library.domain.errors import ImageTrustTooLow, InvalidSettings, printable
from image_library.domain.trust import TrustLevel

_LEVELS = {level.name.lower(): level for level in TrustLevel}
_PROJECT = re.compile(r"[^\x00-\x20\x7f=,]{1,200}")


@dataclass(frozen=True, kw_only=True)
class TrustPolicy:
    """The least level for a project: its own, else everybody's."""

    everybody: TrustLevel = TrustLevel.UNVERIFIED
    projects: Mapping[str, TrustLevel] = field(default_factory=dict[str, TrustLevel])

    @classmethod
    def parse(cls, rules: Sequence[str]) -> TrustPolicy:
        """Rules such as "checksum" for everybody and "finance=signed" for a project.

        Raises:
            InvalidSettings: a rule cannot be read, or two are for the same.
        """
        found: dict[str, TrustLevel] = {}
        for rule in rules:
            project, equals, level = rule.rpartition("=")
            project, level = project.strip(), level.strip().lower()
            if level not in _LEVELS or (equals and not _PROJECT.fullmatch(project)):
                raise InvalidSettings(
                    f"'{printable(rule)}' is not one of {', '.join(_LEVELS)}, nor PROJECT=LEVEL.",
                    field="min_trust",
                )
            if project in found:
                raise InvalidSettings(
                    f"min_trust has two levels for {printable(project) or 'everybody'}.", field="min_trust"
                )
            found[project] = _LEVELS[level]
        everybody = found.pop("", TrustLevel.UNVERIFIED)
        return cls(everybody=everybody, projects=found)

    def least(self, project: str) -> TrustLevel:
        return self.projects.get(project, self.everybody)

    def judge(self, level: TrustLevel, *, project: str, image: str) -> None:
        """Whether the project may make VMs from the image, which is proved as far as ``level``.

        Raises:
            ImageTrustTooLow: it may not.
        """
        least = self.least(project)
        if level < least:
            whose = f"project '{printable(project)}'" if project in self.projects else "this site"
            had, wanted = level.name.lower(), least.name.lower()
            raise ImageTrustTooLow(
                f"Image '{printable(image)}' is {had}, and {whose} demands {wanted}.",
                field="spec.disks.image",
            )
