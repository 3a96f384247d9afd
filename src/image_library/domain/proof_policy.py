"""Whether images must be proved to boot before everybody sees them: for all, and for single projects."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from image_library.domain.errors import BootUnproved, InvalidSettings, printable
from image_library.domain.image import Image, Visibility

_WORDS = {"yes": True, "no": False, "true": True, "false": False}
_PROJECT = re.compile(r"[^\x00-\x20\x7f=,]{1,200}")


@dataclass(frozen=True, kw_only=True)
class ProofPolicy:
    """The rule for a project: its own, else everybody's."""

    everybody: bool = False
    projects: Mapping[str, bool] = field(default_factory=dict[str, bool])

    @classmethod
    def parse(cls, rules: Sequence[str]) -> ProofPolicy:
        """Rules such as "yes" for everybody and "lab=no" for a project.

        Raises:
            InvalidSettings: a rule cannot be read, or two are for the same.
        """
        found: dict[str, bool] = {}
        for rule in rules:
            project, equals, word = rule.rpartition("=")
            project, word = project.strip(), word.strip().lower()
            if word not in _WORDS or (equals and not _PROJECT.fullmatch(project)):
                raise InvalidSettings(
                    f"'{printable(rule)}' is neither yes nor no, nor PROJECT=yes or PROJECT=no.",
                    field="require_boot_proof",
                )
            if project in found:
                whose = printable(project) or "everybody"
                raise InvalidSettings(
                    f"require_boot_proof has two rules for {whose}.", field="require_boot_proof"
                )
            found[project] = _WORDS[word]
        return cls(everybody=found.pop("", False), projects=found)

    def demanded_of(self, project: str) -> bool:
        return self.projects.get(project, self.everybody)

    def judge(self, image: Image) -> None:
        """Whether everybody may see the image, where that is what it says.

        Raises:
            BootUnproved: it was not proved to boot, and its project demands that.
        """
        if self._kept_back(image):
            own = image.project_id in self.projects
            whose = f"project '{printable(image.project_id)}'" if own else "this site"
            raise BootUnproved(
                f"'{printable(image.title)}' is not proved to boot, which {whose} demands of what is public.",
                remedy=_remedy(image),
                field="visibility",
            )

    def begun(self, image: Image) -> Image:
        """A version whose bytes are new: within its project only, until somebody has proved it."""
        return image.evolve(visibility=Visibility.PROJECT) if self._kept_back(image) else image

    def _kept_back(self, image: Image) -> bool:
        public = image.visibility is Visibility.PUBLIC
        return public and not image.boots and self.demanded_of(image.project_id)


NO_RULE = ProofPolicy()


def _remedy(image: Image) -> str:
    if image.digest:
        return f"Prove it: 'limiquantix images prove {image.title}', then make it public."
    return "Bring it in as 'project', prove it with 'limiquantix images prove', then make it public."
