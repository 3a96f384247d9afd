"""Prints docs/errors.md from the error classes:  PYTHONPATH=src .venv/bin/python scripts/document_errors.py > docs/errors.md"""

from __future__ import annotations

from image_library.domain.errors import LibraryError, all_errors
from image_library.wire.errors import CODES

HEAD = """# Errors

<!-- Written by scripts/document_errors.py; a test checks that it is current. -->

Every error has a stable code, one sentence that names the thing, and a remedy. Over an RPC it is the RPC code below with the
message "SENTENCE REMEDY" and a `google.rpc.ErrorInfo` detail: domain `limiquantix.io`, the code in capitals as reason
(`image.unsafe.backing_file` is `IMAGE_UNSAFE_BACKING_FILE`), and code, sentence, remedy and field in its metadata. Bad
input carries a `google.rpc.BadRequest` as well. A job that fails keeps code, message and remedy in its status. The
command line prints sentence and remedy; its exit codes are in [exit-codes.md](exit-codes.md).

| Code | RPC code | When | Remedy |
|---|---|---|---|
"""


def row(error: type[LibraryError]) -> str:
    meaning = " ".join((error.__doc__ or "").split())
    rpc_code = CODES[error.kind][0].value
    return f'| <a id="{error.code}"></a>`{error.code}` | {rpc_code} | {meaning} | {error.remedy_default} |\n'


def document() -> str:
    return HEAD + "".join(row(error) for error in sorted(all_errors(), key=lambda e: e.code))


if __name__ == "__main__":
    print(document(), end="")
