"""The one room where YAML is written and read: emitted by PyYAML's safe emitter, read back and compared."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

import yaml
from yaml.nodes import ScalarNode

from image_library.domain.errors import Internal, InvalidUserData

# A document that aliases unfold into more than this was made to exhaust whoever reads it.
MOST_NODES = 100_000


class _Dumper(yaml.SafeDumper):
    """No anchors, lists set in below their key, and texts of several lines as blocks."""

    def ignore_aliases(self, data: Any) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


# Plain text to PyYAML and cloud-init, but a number or a boolean to other YAML readers.
_TEXT_ELSEWHERE = re.compile(r"[yn]|[-+.]?[0-9][0-9_.]*(e[-+]?[0-9]+)?|0[ox][0-9a-f]+", re.IGNORECASE)


# Line breaks to YAML 1.1 only; PyYAML's other styles lose or change them.
_ODD_BREAKS = re.compile("[\r\x85\u2028\u2029\ufeff]")


def _represent_text(dumper: yaml.SafeDumper, text: str) -> ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=_style(text))  # pyright: ignore[reportUnknownMemberType]


def _style(text: str) -> str | None:
    """How to write a text: None leaves it to PyYAML, which quotes what it must."""
    if _ODD_BREAKS.search(text):
        return '"'
    if "\n" in text:
        return "|"
    return "'" if _TEXT_ELSEWHERE.fullmatch(text) else None


_Dumper.add_representer(str, _represent_text)


class YamlDocuments:
    """``Documents`` by PyYAML."""

    def emit(self, document: Mapping[str, Any], *, header: str = "") -> str:
        """The document as YAML that reads back as exactly the same document.

        Raises:
            Internal: it does not; nothing that differs is ever put on a seed.
        """
        wanted = dict(document)
        text = yaml.dump(wanted, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100_000)
        text = f"{header}\n{text}" if header else text
        # Their printed forms, for 1 == True and nan != nan.
        if repr(yaml.safe_load(text)) != repr(wanted):
            raise Internal("A document does not read back as it was meant.")
        return text

    def read(self, text: str, *, field: str) -> dict[str, Any]:
        """The mapping that ``text`` holds.

        Raises:
            InvalidUserData: it is not YAML, not a mapping, or its aliases unfold beyond measure.
        """
        try:
            document: Any = yaml.safe_load(text)
        except yaml.MarkedYAMLError as error:
            line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
            raise _refused(f"{field} is not valid YAML{line}: {error.problem}.", field) from None
        except (yaml.YAMLError, RecursionError, ValueError, TypeError):
            raise _refused(f"{field} is not valid YAML.", field) from None
        if not isinstance(document, dict):
            raise _refused(f"{field} is not a YAML mapping (names with values).", field)
        mapping = cast(dict[Any, Any], document)
        if _unfolded(mapping, {}) > MOST_NODES:
            raise _refused(f"The aliases in {field} unfold into more than {MOST_NODES} values.", field)
        return {str(key): value for key, value in mapping.items()}


def _refused(sentence: str, field: str) -> InvalidUserData:
    return InvalidUserData(sentence, field=field)


def _unfolded(node: Any, sizes: dict[int, int]) -> int:
    """The number of values if every alias were written out; a node inside itself counts as endless."""
    children = _children(node)
    if children is None:
        return 1
    if id(node) not in sizes:
        sizes[id(node)] = MOST_NODES + 1
        sizes[id(node)] = 1 + sum(_unfolded(child, sizes) for child in children)
    return sizes[id(node)]


def _children(node: Any) -> list[Any] | None:
    if isinstance(node, dict):
        return [*cast(dict[Any, Any], node).keys(), *cast(dict[Any, Any], node).values()]
    return [*cast(list[Any], node)] if isinstance(node, list | tuple) else None
