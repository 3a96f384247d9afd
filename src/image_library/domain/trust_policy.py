"""How far the images must be proved that VMs are made from: for everybody, and for single projects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from image_library.domain.errors import ImageTrustTooLow, printable
from image_library.domain.project_rules import EVERYBODY, parse_rules, whose_rule
from image_library.domain.trust import TrustLevel

_LEVELS = {level.name.lower(): level for level in TrustLevel}


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
        form = f"not one of {', '.join(_LEVELS)}, nor PROJECT=LEVEL"
        found = parse_rules(rules, _LEVELS, setting="min_trust", form=form)
        everybody = found.pop(EVERYBODY, TrustLevel.UNVERIFIED)
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
            whose = whose_rule(project, self.projects)
            had, wanted = level.name.lower(), least.name.lower()
            raise ImageTrustTooLow(
                f"Image '{printable(image)}' is {had}, and {whose} demands {wanted}.",
                field="spec.disks.image",
            )
