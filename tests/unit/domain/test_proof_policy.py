"""Whether images must be proved to boot before everybody sees them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from image_library.domain.boot_proof import BootProof, ProofOutcome
from image_library.domain.errors import BootUnproved, InvalidSettings
from image_library.domain.image import Visibility
from image_library.domain.proof_policy import ProofPolicy
from tests.fakes.control_values import DIGEST, a_ready_image

PUBLIC = a_ready_image(digest=DIGEST, visibility=Visibility.PUBLIC, project_id="p")
PROVED = PUBLIC.evolve(
    boot_proof=BootProof(
        outcome=ProofOutcome.PASSED, digest=DIGEST, proved_at=datetime(2026, 1, 2, tzinfo=UTC)
    )
)


@pytest.mark.parametrize(
    ("rules", "project", "demanded"),
    [
        ([], "any", False),
        (["yes"], "any", True),
        (["yes", "lab = no"], "lab", False),
        (["yes", "lab=no"], "other", True),
        (["finance=TRUE"], "finance", True),
        (["finance=yes"], "", False),
    ],
)
def test_a_projects_own_rule_counts_before_everybodys(rules: list[str], project: str, demanded: bool) -> None:
    assert ProofPolicy.parse(rules).demanded_of(project) is demanded


def test_what_is_not_proved_is_not_public() -> None:
    policy = ProofPolicy.parse(["p=yes"])
    with pytest.raises(BootUnproved, match="project 'p' demands"):
        policy.judge(PUBLIC)
    policy.judge(PROVED)
    policy.judge(PUBLIC.evolve(visibility=Visibility.PROJECT))
    policy.judge(PUBLIC.evolve(project_id="other"))
    assert policy.begun(PUBLIC).visibility is Visibility.PROJECT
    assert policy.begun(PROVED).visibility is Visibility.PUBLIC


@pytest.mark.parametrize("rules", [["maybe"], [""], ["=yes"], ["a b=yes"], ["p=yes", "p=no"], ["yes", "no"]])
def test_rules_that_cannot_be_meant_are_refused(rules: list[str]) -> None:
    with pytest.raises(InvalidSettings):
        ProofPolicy.parse(rules)
