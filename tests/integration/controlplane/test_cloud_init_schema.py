"""The schema that we ship says what Debian's cloud-init says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from image_library.controlplane.adapters.cloud_init_schema import CloudInitSchema
from tests.support.cloud_init_schema import cloud_inits_schema

SCHEMA = CloudInitSchema()
GOOD: list[dict[str, Any]] = [
    {},
    {"users": ["default", {"name": "bob", "lock_passwd": False}], "packages": ["a", ["b", "1"]]},
    {"runcmd": ["ls", ["a", "b"]], "write_files": [{"path": "/x", "content": "y"}]},
    {"ntp": {"servers": ["a.example.org"]}, "growpart": {"mode": "off"}},
]
BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"ssh_pwauth": {}}, "ssh_pwauth", "is not of type"),
    (
        {"users": [{"name": "bob", "lock_passwd": "canary-1"}]},
        "users.0.lock_passwd",
        "is not of type boolean",
    ),
    ({"growpart": {"mode": "canary-2"}}, "growpart.mode", "is not one of"),
    ({"write_files": [{"content": "canary-3"}]}, "write_files.0", "lacks path"),
    ({"runcmd": "canary-4"}, "runcmd", "is not of type array"),
    ({"ntp": {"canary": 1, "servers": []}}, "ntp.canary", "is not known"),
    ({"mounts": []}, "mounts", "does not have the form"),
]


@pytest.mark.parametrize("document", GOOD)
def test_good_documents_have_no_problem(document: dict[str, Any]) -> None:
    assert SCHEMA.problems(document) == ()


@pytest.mark.parametrize(("document", "path", "what"), BAD)
def test_problems_are_named_by_their_place_and_repeat_no_value(
    document: dict[str, Any], path: str, what: str
) -> None:
    found = SCHEMA.problems(document)
    assert any(problem.path == path and what in problem.what for problem in found), found
    assert "canary-" not in str(found)


def test_a_key_that_nobody_knows_is_doubtful() -> None:
    (problem,) = SCHEMA.problems({"pakcages": ["a"], "merge_how": "x"})
    assert (problem.path, problem.doubtful) == ("pakcages", True)


def test_debians_cloud_init_agrees() -> None:
    documents = [*GOOD, *(document for document, _, _ in BAD)]
    with cloud_inits_schema() as judge:
        theirs = [judge(json.dumps(document)) == "ok" for document in documents]
    assert theirs == [not SCHEMA.problems(document) for document in documents]


def test_the_validator_is_not_loaded_before_it_is_needed(tmp_path: Path) -> None:
    code = "import sys, image_library.controlplane.app; sys.exit('jsonschema' in sys.modules)"
    source = {"PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path, env=source)
