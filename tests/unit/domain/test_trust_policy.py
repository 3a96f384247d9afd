"""How far images must be proved that VMs are made from."""

from __future__ import annotations

import pytest

from image_library.domain.errors import ImageTrustTooLow, InvalidSettings
from image_library.domain.trust import TrustLevel
from image_library.domain.trust_policy import TrustPolicy


def test_without_rules_every_image_will_do() -> None:
    TrustPolicy.parse([]).judge(TrustLevel.UNVERIFIED, project="any", image="x")


@pytest.mark.parametrize(
    ("rules", "project", "least"),
    [
        (["checksum"], "any", TrustLevel.CHECKSUM),
        (["checksum", "finance=signed"], "finance", TrustLevel.SIGNED),
        (["checksum", "finance=signed"], "other", TrustLevel.CHECKSUM),
        (["Pinned", "lab = unverified"], "lab", TrustLevel.UNVERIFIED),
        (["finance=signed"], "", TrustLevel.UNVERIFIED),
    ],
)
def test_a_projects_own_rule_counts_before_everybodys(
    rules: list[str], project: str, least: TrustLevel
) -> None:
    assert TrustPolicy.parse(rules).least(project) is least


@pytest.mark.parametrize("least", TrustLevel)
@pytest.mark.parametrize("level", TrustLevel)
def test_a_level_is_enough_from_the_least_on(level: TrustLevel, least: TrustLevel) -> None:
    policy = TrustPolicy.parse([f"p={least.name.lower()}"])
    if level >= least:
        policy.judge(level, project="p", image="x")
        return
    with pytest.raises(ImageTrustTooLow) as refused:
        policy.judge(level, project="p", image="x")
    assert level.name.lower() in refused.value.message
    assert f"project 'p' demands {least.name.lower()}" in refused.value.message


@pytest.mark.parametrize(
    "rules", [["high"], [""], ["=signed"], ["a b=signed"], ["p=signed", "p=pinned"], ["signed", "pinned"]]
)
def test_rules_that_cannot_be_meant_are_refused(rules: list[str]) -> None:
    with pytest.raises(InvalidSettings):
        TrustPolicy.parse(rules)
