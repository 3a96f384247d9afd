"""Writes the keys of cloud-config, and what each takes, as JSON: hints for the web UI's editor of user-data.

Made from the schema that the control plane judges by. Of each key: ``is`` its types, ``oneOf`` its only values,
``keys`` what lies below it, or below each item of its list.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCHEMA = Path("src/image_library/controlplane/adapters/cloud_init_schema/cloud-config.json")
# Deeper than that nobody is helped by a list of keys.
DEEPEST = 4
Node = dict[str, Any]


class Keys:
    def __init__(self, schema: Node) -> None:
        self._definitions: Node = schema["$defs"]

    def of_modules(self) -> Node:
        """The keys of the document itself: each module of cloud-init reads some."""
        modules = [name for name in self._definitions if name.startswith("cc_")]
        merged: Node = {}
        for name in modules:
            merged |= self._properties(self._definitions[name], 0)
        return dict(sorted(merged.items()))

    def _properties(self, schema: Node, depth: int) -> Node:
        found: Node = {}
        for form in self._forms(schema):
            for name, value in form.get("properties", {}).items():
                if not value.get("deprecated"):
                    found[name] = self._described(value, depth + 1)
        return found

    def _described(self, schema: Node, depth: int) -> Node:
        kinds, values, below = set[str](), list[Any](), Node()
        for form in self._forms(schema):
            said: list[str] | str = form.get("type", [])
            kinds |= {said} if isinstance(said, str) else set(said)
            values += [value for value in form.get("enum", []) if value not in values]
            if depth < DEEPEST:
                below |= self._properties(form, depth)
                below |= self._properties(form.get("items", {}), depth)
        described: Node = {"is": sorted(kinds)} if kinds else {}
        if values:
            described["oneOf"] = values
        if below:
            described["keys"] = below
        return described

    def _forms(self, schema: Node) -> list[Node]:
        """The schema and everything that it may be instead, with what it points to."""
        found, waiting = list[Node](), [schema]
        while waiting:
            here = waiting.pop(0)
            if "$ref" in here:
                waiting.append(self._definitions[here["$ref"].removeprefix("#/$defs/")])
            if isinstance(here.get("enum", []), list):
                found.append(here)
            waiting += [form for word in ("oneOf", "anyOf", "allOf") for form in here.get(word, [])]
        return [form for form in found if not form.get("deprecated")]


def main() -> None:
    keys = Keys(json.loads(SCHEMA.read_text(encoding="utf-8"))).of_modules()
    print(json.dumps(keys, indent=1, ensure_ascii=False))


main()
