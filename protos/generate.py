# ruff: noqa: INP001 - a script beside the protos, of no package
"""Generates the Python code of all protos into gen/, deterministically; `--check` only says whether it would change."""

import filecmp
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).parent


def generate(out: Path) -> None:
    """Write `*_pb2.py`, their type stubs and the gRPC stubs of every proto into `out`."""
    protos = sorted(str(p.relative_to(HERE)) for p in HERE.glob("neoforge/**/*.proto"))
    kinds = ("python", "mypy", "grpc_python", "mypy_grpc")
    status = protoc.main(
        [
            "protoc",
            f"-I{HERE}",
            f"-I{files('grpc_tools') / '_proto'}",
            *(f"--{kind}_out={out}" for kind in kinds),
            "--mypy_opt=quiet",
            "--mypy_grpc_opt=quiet",
            *protos,
        ],
    )
    if status:
        sys.exit(f"protoc failed with status {status}")
    for package in out.glob("neoforge/*/"):
        (package / "py.typed").touch()


def differences(left: Path, right: Path) -> list[str]:
    """Name the files that are not the same on both sides."""
    names = {
        p.relative_to(side)
        for side in (left, right)
        for p in side.rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    same, _, _ = filecmp.cmpfiles(left, right, sorted(map(str, names)), shallow=False)
    return sorted({str(n) for n in names} - set(same))


with tempfile.TemporaryDirectory() as scratch:
    generate(Path(scratch))
    if "--check" in sys.argv:
        drift = differences(Path(scratch), HERE / "gen")
        if drift:
            sys.exit("generated code is not what `make gen` makes: " + ", ".join(drift))
    else:
        gen = HERE / "gen"
        for stale in differences(Path(scratch), gen):
            (gen / stale).unlink(missing_ok=True)
        generate(gen)
