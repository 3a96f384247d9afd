"""Fetches the image once, and says how the job ended: "ready", or the code of its failure.

python -m tests.crash.fetch FOLDER [JOB | prepare]
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import structlog

from image_library.domain.errors import LibraryError
from tests.crash.bench import open_bench, order


async def fetch(folder: str, job_id: str = "job-1") -> str:
    try:
        async with open_bench(Path(folder)) as bench:
            if job_id == "prepare":
                return ""
            done = await bench.finish(order(job_id))
            return done.failure.code if done.failure else done.state.value
    except LibraryError as error:
        return error.code


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    sys.stdout.write(asyncio.run(fetch(*sys.argv[1:])) + "\n")
