import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = sorted(
    file.relative_to(ROOT)
    for pattern in ("chassis", "gateway", "protos", "services/*", "deploy/devstack")
    for file in ROOT.glob(f"{pattern}/pyproject.toml")
)


@pytest.mark.parametrize("project", PROJECTS, ids=lambda path: path.parent.name)
def test_what_lies_about_beside_the_code_is_in_no_wheel(project: Path, tmp_path: Path) -> None:
    told = tomllib.loads((ROOT / project).read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    package = tmp_path / told["packages"][0]
    (package / ".secrets").mkdir(parents=True)
    for name in ("__init__.py", "py.typed", ".env", ".env.local", ".secrets/key"):
        (package / name).write_text("")
    (tmp_path / "pyproject.toml").write_bytes((ROOT / project).read_bytes())
    subprocess.run([sys.executable, "-m", "hatchling", "build", "--target", "wheel"], cwd=tmp_path, check=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == {f"{package.name}/__init__.py", f"{package.name}/py.typed"}


def test_nor_is_it_in_what_images_are_built_from() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    last_let_in = max(number for number, line in enumerate(ignored) if line.startswith("!"))
    assert {"**/.*", "**/*.pem", "**/*.key"} <= set(ignored[last_let_in:])
