"""A new service is green: it is written into a copy of the tree and goes through what every service goes through."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.errors import StackError
from devstack.new_service import Names, render

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(sys.executable).parent
SERVICE = "throwaway"

pytestmark = pytest.mark.xdist_group("new-service")


def copy_of_the_tree(to: Path) -> Path:
    """Copy what git knows or would take, and nothing that was installed or built."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():  # not one that is being removed
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)
    return to


class Tree:
    """A tree with Python's packages of its own, which borrows every other package from this very environment."""

    def __init__(self, root: Path) -> None:
        self.root = root
        venv.create(root / ".venv", with_pip=False, symlinks=True)
        (root / ".venv" / "share").symlink_to(Path(sys.prefix) / "share")
        self.python = root / ".venv" / "bin" / "python"
        (packages,) = (root / ".venv" / "lib").glob("python*/site-packages")
        # Read after the files of this tree's own packages, which are therefore found first.
        borrowed = next(path for path in sys.path if path.endswith("site-packages"))
        (packages / "zz_borrowed.pth").write_text(f"import site; site.addsitedir({borrowed!r})\n")
        if (
            ROOT / ".mypy_cache"
        ).exists():  # what it says of borrowed packages is true here too, and saves most of the time
            shutil.copytree(ROOT / ".mypy_cache", root / ".mypy_cache")
        members = [root / member for member in ("protos", "chassis", "gateway", "deploy/devstack")]
        members += [path.parent for path in (root / "services").glob("*/pyproject.toml")]
        editable = [argument for member in members for argument in ("-e", str(member))]
        install = ("pip", "install", "--offline", "--no-deps", "--no-build-isolation", "--python", str(self.python))
        self.run(PROGRAMS / "uv", *install, *editable)

    def run(self, *command: str | Path) -> None:
        """Run a command at the top of the tree; what it wrote is told when it fails."""
        # Nothing of the run of pytest that this is part of reaches the one inside, its coverage least of all.
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("COV", "PYTEST", "PYTHONPATH", "VIRTUAL_ENV"))}
        path = f"{PROGRAMS}:{os.environ['PATH']}"
        ran = subprocess.run(
            command, cwd=self.root, env=kept | {"PATH": path}, check=False, capture_output=True, text=True
        )
        assert ran.returncode == 0, f"{command}\n{ran.stdout[-6000:]}\n{ran.stderr[-3000:]}"


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    root = copy_of_the_tree(tmp_path_factory.mktemp("new-service"))
    render(root, Names(SERVICE))
    tree = Tree(root)
    tree.run(tree.python, "protos/generate.py")
    yield tree
    shutil.rmtree(root)


def test_it_keeps_every_rule_of_style_of_imports_and_of_protos(tree: Tree) -> None:
    own = [f"services/{SERVICE}", "gateway/src/gateway", "deploy/devstack/src/devstack/services.py"]
    tree.run(PROGRAMS / "ruff", "check", "--no-cache", *own)
    tree.run(PROGRAMS / "ruff", "format", "--no-cache", "--check", *own)
    tree.run(tree.python, "-c", "from importlinter.cli import lint_imports_command as c; c(['--no-cache'])")
    tree.run(PROGRAMS / "buf", "lint", "protos")
    tree.run(PROGRAMS / "buf", "format", "protos", "--diff", "--exit-code")
    tree.run(tree.python, "protos/generate.py", "--check")


def test_its_types_are_sound(tree: Tree) -> None:
    tree.run(tree.python, "-m", "mypy", "-p", SERVICE, "-p", "gateway.services")


def test_its_migrations_block_nobody(tree: Tree) -> None:
    checked = f"{tree.python} -m {SERVICE} sql | squawk --stdin-filepath services/{SERVICE}/migrations.sql"
    tree.run("bash", "-o", "pipefail", "-c", checked)


def test_its_own_tests_and_the_conformance_suite_pass(tree: Tree) -> None:
    tree.run(tree.python, "-m", "pytest", "-q", f"services/{SERVICE}/tests", "tests/conformance", "-k", SERVICE)


def test_every_way_to_deploy_it_knows_it(tree: Tree) -> None:
    """Nothing is left to be done by hand: what `make gen` and every check of deploys go by finds it everywhere."""
    tree.run(tree.python, "-m", "ops.generate")
    tree.run(tree.python, "deploy/generate.py")
    assert (tree.root / "deploy" / "helm" / "neoforge" / "files" / "dashboards" / f"service-{SERVICE}.json").is_file()
    tree.run(PROGRAMS / "helm", "lint", "--strict", "--quiet", "deploy/helm/neoforge")
    # The hooks look at a repository, and this tree is none.
    tree.run(tree.python, "-m", "pytest", "-q", "tests/deploy", "--ignore=tests/deploy/test_hooks.py")


def test_nothing_is_overwritten(tree: Tree) -> None:
    (tree.root / "protos" / "neoforge" / "half" / "v1").mkdir(parents=True)
    for service, words in (
        (SERVICE, "There is a service throwaway already"),
        ("half", "There is a service half already"),
    ):
        with pytest.raises(StackError, match=words):
            render(tree.root, Names(service, "thing"))
    routes = tree.root / "gateway" / "src" / "gateway" / "routes" / "other_things.py"
    routes.write_text("# here before\n")
    with pytest.raises(StackError, match=r"not overwritten: gateway/src/gateway/routes/other_things\.py"):
        render(tree.root, Names("other", "thing"))
    assert routes.read_text() == "# here before\n"
    assert not (tree.root / "services" / "other").exists()


@pytest.mark.parametrize(
    ("service", "resource", "words"),
    [
        ("", "item", "A service is named by"),
        ("Billing", "item", "A service is named by"),
        ("my-billing", "item", "A service is named by"),
        ("2fast", "item", "A service is named by"),
        ("x" * 21, "item", "A service is named by"),
        ("../up", "item", "A service is named by"),
        ("projects", "item", "There is a service projects already"),
        ("class", "item", "means something already"),
        ("user", "item", "means something already"),
        ("mail", "item", "means something already"),
        ("json", "item", "would import instead"),
        ("chassis", "item", "would import instead"),
        ("sqlalchemy", "item", "would import instead"),
        ("billing", "Invoice", "A resource is named in the singular"),
        ("billing", "in-voice", "A resource is named in the singular"),
        ("billing", "page", "has a meaning already"),
        ("billing", "order", "has a meaning already"),
        ("billing", "project", "The API has projects already"),
    ],
)
def test_a_name_that_will_not_do_is_refused_with_the_reason(service: str, resource: str, words: str) -> None:
    with pytest.raises(StackError, match=words):
        render(ROOT, Names(service, resource))


@pytest.mark.parametrize(
    ("resource", "plural"),
    [
        ("invoice", "invoices"),
        ("reply_draft", "reply_drafts"),
        ("category", "categories"),
        ("key", "keys"),
        ("box", "boxes"),
    ],
)
def test_a_resource_has_its_plural(resource: str, plural: str) -> None:
    assert Names("billing", resource).plural == plural


def test_the_address_says_a_name_once() -> None:
    assert Names("billing", "invoice").path == "billing/invoices"
    assert Names("invoices", "invoice").path == "invoices"
