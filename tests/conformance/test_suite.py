from pathlib import Path

SERVICES = Path(__file__).parents[2] / "services"


def test_every_service_is_in_this_suite() -> None:
    services = [made.parent for made in SERVICES.glob("*/pyproject.toml")]
    missing = [folder.name for folder in services if not (folder / "tests" / "specimen.py").exists()]
    assert not missing, "these services give no tests/specimen.py"
