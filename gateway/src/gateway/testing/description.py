"""Whether a gateway answers as its own description says."""

import re
import subprocess
import sys
from typing import Final

CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
)


def tried(url: str, authorization: str, *, tags: tuple[str, ...], mode: str, examples: int) -> int:
    """Make so many requests of each operation with such a tag from the description; give how many operations these are.

    `mode` is "positive" or "negative": what the description allows, or what it forbids. It is done in a process of its
    own: the interpreter does not bear that two threads parse source text (AST constructor recursion depth mismatch).

    Raises:
        AssertionError: an answer is not as described; the message tells which.
    """
    run = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"{url.rstrip('/')}/openapi.json", "--no-color"]
        + [f"--include-tag={tag}" for tag in tags]
        + ["--header", f"Authorization: {authorization}", "--checks", ",".join(CHECKS)]
        + ["--phases=fuzzing", f"--mode={mode}", f"--max-examples={examples}", "--generation-deterministic"]
        + ["--suppress-health-check=all", "--max-redirects=0"],
        capture_output=True,
        text=True,
        check=False,
    )
    selected = re.search(r"Selected: (\d+)/", run.stdout)
    if run.returncode != 0 or selected is None:
        raise AssertionError(run.stdout + run.stderr)
    return int(selected[1])
