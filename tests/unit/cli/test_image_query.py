"""``images list --where``: what people type, as the request that is meant."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from protobuf.wkt import Timestamp

from image_library.cli.image_query import KEYS, image_query
from image_library.domain.errors import InvalidRequest
from limiquantix.storage.v1.image_pb import ImageSpec, ImageStatus, ListImagesRequest, OsInfo
from limiquantix.storage.v1.trust_pb import TrustLevel

MOMENT = Timestamp.from_datetime(datetime(2026, 1, 31, tzinfo=UTC))
MEANT: tuple[tuple[str, dict[str, Any]], ...] = (
    ("name=web", {"name": "web"}),
    ("name-prefix=deb", {"name_prefix": "deb"}),
    ("name-contains=12", {"name_contains": "12"}),
    ("search=a = b", {"search": "a = b"}),
    ("distribution=debian", {"distribution": "debian"}),
    ("version=12", {"os_version": "12"}),
    ("arch=x86_64", {"architecture": "x86_64"}),
    ("catalog=debian-12", {"catalog_id": "debian-12"}),
    ("digest=sha256:ab", {"digest": "sha256:ab"}),
    ("node=n1", {"node_id": "n1"}),
    ("node=alpha", {"node_id": "id-of-alpha"}),
    ("pool=fast", {"storage_pool_id": "fast"}),
    ("project=red", {"project_id": "red"}),
    ("usable-by=red", {"usable_by_project": "red"}),
    ("family=linux,bsd", {"os_families": [OsInfo.OsFamily.LINUX, OsInfo.OsFamily.BSD]}),
    ("format=QCOW2", {"formats": [ImageSpec.Format.QCOW2]}),
    ("phase=ready, error", {"phases": [ImageStatus.Phase.READY, ImageStatus.Phase.ERROR]}),
    ("trust=checksum", {"trust_levels": [TrustLevel.CHECKSUM]}),
    ("visibility=public", {"visibilities": [ImageSpec.Visibility.PUBLIC]}),
    ("in-use=yes", {"in_use": True}),
    ("support-ended=no", {"support_ended": False}),
    ("protected=true", {"protected": True}),
    ("deprecated=False", {"deprecated": False}),
    ("created-after=2026-01-31", {"created_after": MOMENT}),
    ("created-before=2026-01-31T01:00+01:00", {"created_before": MOMENT}),
    ("templates=yes", {"templates": True}),
    ("label.KEY=blue=1", {"labels": {"KEY": "blue=1"}}),
)


@pytest.mark.parametrize(("condition", "fields"), MEANT)
def test_each_key_means_one_field(condition: str, fields: dict[str, Any]) -> None:
    made = image_query([condition], node_ids=lambda: {"alpha": "id-of-alpha"})
    assert made == ListImagesRequest(**fields)


def test_every_key_is_tried() -> None:
    assert {condition.partition("=")[0] for condition, _ in MEANT} == set(KEYS)


def test_conditions_add_up() -> None:
    conditions = ["phase=ready", "phase=error", "label.a=1", "label.b=2", "name=x"]
    made = image_query(conditions, all_versions=True, hidden=True, order="name desc")
    assert made == ListImagesRequest(
        phases=[ImageStatus.Phase.READY, ImageStatus.Phase.ERROR],
        labels={"a": "1", "b": "2"},
        name="x",
        all_versions=True,
        hidden_too=True,
        order_by="name desc",
    )


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        (["colour=red"], "cannot be chosen by 'colour'.*keys are name, name-prefix"),
        (["name_prefix=x"], "Did you mean name-prefix"),
        (["label.=x"], "cannot be chosen"),
        (["name"], "is not KEY=VALUE"),
        (["name="], "is not KEY=VALUE"),
        (["phase=sleepy"], "'sleepy' is no value for 'phase'.*unknown, pending"),
        (["in-use=maybe"], "Use yes, true, no, false"),
        (["created-after=yesterday"], "Use a date"),
        (["name=a", "name=b"], "'name' is given twice"),
        (["label.a=1", "label.a=2"], "'label.a' is given twice"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(conditions: list[str], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        image_query(conditions)
