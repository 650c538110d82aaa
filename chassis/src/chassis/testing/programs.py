"""Programs that come from the system's packages, not from PyPI, and that a few tests cannot do without."""

import os
import shutil
from typing import Final

import pytest

_PACKAGES: Final = {"promtool": "prometheus", "amtool": "prometheus-alertmanager"}
"""Debian's packages whose names are not those of their programs."""


def need(*programs: str) -> None:
    """Go on only where these programs are; else say aloud what is lacking, or fail if NEOFORGE_EVERY_TEST is set."""
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing:
        return
    packages = " ".join(dict.fromkeys(_PACKAGES.get(program, program) for program in missing))
    lack = f"NOT TESTED: this needs Debian's packages: apt-get install --no-install-recommends {packages}"
    if os.environ.get("NEOFORGE_EVERY_TEST"):
        pytest.fail(lack)
    pytest.skip(lack)
