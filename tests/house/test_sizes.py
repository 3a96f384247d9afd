"""Rooms stay small: files, functions and handlers have a largest size."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src" / "image_library"
FILES = sorted(SOURCE.rglob("*.py"))
MOST_LINES = 400
MOST_IN_A_FUNCTION = 50
MOST_IN_A_HANDLER = 12


def functions(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Each function's name and the lines of its body, its docstring not counted."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[1] if ast.get_docstring(node) and len(node.body) > 1 else node.body[0]
            yield node.name, (node.end_lineno or 0) - first.lineno + 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_is_no_longer_than_a_reader_bears(path: Path) -> None:
    text = path.read_text()
    assert len(text.splitlines()) <= MOST_LINES
    limit = MOST_IN_A_HANDLER if path.parent.name == "handlers" else MOST_IN_A_FUNCTION
    too_long = {name: lines for name, lines in functions(ast.parse(text)) if lines > limit}
    assert not too_long, f"at most {limit} lines: {too_long}"


def test_the_size_check_sees_a_long_function() -> None:
    body = "\n".join(f"    x = {n}" for n in range(60))
    assert dict(functions(ast.parse(f"def long():\n{body}\n"))) == {"long": 60}
