"""Judges cloud-config by cloud-init's own schema. The validator is loaded when it is first needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Any, cast

from image_library.domain.preflight import Problem

if TYPE_CHECKING:
    from jsonschema import Draft4Validator
    from jsonschema.exceptions import ValidationError

# Read by cloud-init itself rather than by a module, so the schema does not have them.
_BESIDE = frozenset(
    {
        "cloud_config_modules",
        "cloud_final_modules",
        "cloud_init_modules",
        "datasource",
        "datasource_list",
        "merge_how",
        "merge_type",
        "network",
        "output",
        "reporting",
        "system_info",
        "vendor_data",
        "version",
    }
)


class CloudInitSchema:
    """Fulfils ``ConfigSchema``."""

    def problems(self, document: Mapping[str, Any]) -> tuple[Problem, ...]:
        """Where ``document`` is not as cloud-init 22.4 has it; what newer versions may know is doubtful."""
        unknown = [key for key in document if key not in self._known]
        errors = cast("Iterator[ValidationError]", cast("Any", self._validator).iter_errors(document))
        found = [problem for error in errors for problem in _problems(error)]
        doubts = [
            Problem(path=key, what="is no key of cloud-config that is known here", doubtful=True)
            for key in unknown
        ]
        return tuple(dict.fromkeys((*found, *doubts)))

    @cached_property
    def _schema(self) -> dict[str, Any]:
        text = (
            files("image_library.controlplane.adapters.cloud_init_schema")
            .joinpath("cloud-config.json")
            .read_text(encoding="utf-8")
        )
        return json.loads(text)

    @cached_property
    def _known(self) -> frozenset[str]:
        modules = (part.get("properties", {}) for part in self._schema["$defs"].values())
        return _BESIDE | {key for properties in modules for key in properties}

    @cached_property
    def _validator(self) -> Draft4Validator:
        from jsonschema import Draft4Validator

        return Draft4Validator(self._schema)


def _problems(error: ValidationError) -> Iterator[Problem]:
    """The error in words that repeat no value, for a value may be a secret."""
    inner = _nearest(error)
    path = ".".join(map(str, inner.absolute_path)) or "The document"
    if inner.validator == "additionalProperties":
        for name in _surplus(inner):
            yield Problem(path=f"{path}.{name}", what="is not known to cloud-init", doubtful=True)
        return
    yield Problem(path=path, what=_words(inner))


def _nearest(error: ValidationError) -> ValidationError:
    """Of several forms, none of which fits, the one that fits best."""
    while error.context:
        error = max(error.context, key=lambda one: (len(one.absolute_path), one.validator != "type"))
    return error


def _surplus(error: ValidationError) -> list[str]:
    schema = cast("dict[str, Any]", error.schema)
    value = cast("dict[str, Any]", error.instance)
    return [str(key) for key in value if key not in schema.get("properties", {})]


def _words(error: ValidationError) -> str:
    wanted = cast("Any", error.validator_value)
    if error.validator == "type":
        kinds = cast("list[str]", wanted) if isinstance(wanted, list) else [str(wanted)]
        return f"is not of type {' or '.join(kinds)}"
    if error.validator == "enum":
        return f"is not one of {', '.join(map(str, wanted))}"
    if error.validator == "required":
        value = cast("dict[str, Any]", error.instance)
        return f"lacks {', '.join(str(name) for name in wanted if name not in value)}"
    return "does not have the form that cloud-init expects"
