"""Whether images must be proved to boot before everybody sees them: for all, and for single projects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from image_library.domain.errors import BootUnproved, printable
from image_library.domain.image import Image, Visibility
from image_library.domain.project_rules import EVERYBODY, parse_rules, whose_rule

_WORDS = {"yes": True, "no": False, "true": True, "false": False}


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
        form = "neither yes nor no, nor PROJECT=yes or PROJECT=no"
        found = parse_rules(rules, _WORDS, setting="require_boot_proof", form=form)
        return cls(everybody=found.pop(EVERYBODY, False), projects=found)

    def demanded_of(self, project: str) -> bool:
        return self.projects.get(project, self.everybody)

    def judge(self, image: Image) -> None:
        """Whether everybody may see the image, where that is what it says.

        Raises:
            BootUnproved: it was not proved to boot, and its project demands that.
        """
        if self._kept_back(image):
            whose = whose_rule(image.project_id, self.projects)
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
