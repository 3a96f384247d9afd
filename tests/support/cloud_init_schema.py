"""What Debian's own cloud-init says of user-data, by its schema."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Generator
from contextlib import contextmanager

# The system's, which has Debian's cloudinit.
PYTHON = "/usr/bin/python3"
# Reads documents, one JSON a line, and answers each with a line.
JUDGE = """
import json, logging, sys, yaml
logging.disable(logging.CRITICAL)
from cloudinit.config.schema import SchemaValidationError, get_schema, validate_cloudconfig_schema
schema = get_schema()
for line in sys.stdin:
    try:
        document = yaml.safe_load(json.loads(line))
        validate_cloudconfig_schema(document, schema, strict=True, log_deprecations=False)
        said = "ok"
    except SchemaValidationError as error:
        said = str(error)
    print(json.dumps(said), flush=True)
"""

Judge = Callable[[str], str]


@contextmanager
def cloud_inits_schema() -> Generator[Judge]:
    """Gives what judges a document: "ok", or what is wrong with it."""
    with subprocess.Popen(
        (PYTHON, "-c", JUDGE), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as running:
        asked, answers = running.stdin, running.stdout
        assert asked is not None
        assert answers is not None

        def judge(document: str) -> str:
            asked.write(f"{json.dumps(document)}\n")
            asked.flush()
            return json.loads(answers.readline())

        yield judge
