"""Where the chart keeps files: attachments outlive the pods that took them."""

import pytest
from charts import CHART, SERVICE_CHART, Object, name, pods, refusal, rendered

pytestmark = pytest.mark.xdist_group("chart")

BUCKET = ("--set", "support.env.NEOFORGE_S3_BUCKET=attachments")
WAITING = "/tmp/attachments"  # noqa: S108 - of a container
NO_VOLUME = ("--set", "support.storage.enabled=false")


def kept(objects: list[Object], process: str) -> tuple[str, str | None]:
    """The folder of attachments, and the claim that it lies on."""
    (pod,) = (pod for whose, pod in pods(objects) if whose == f"Deployment neoforge-{process}")
    (container,) = pod["containers"]
    (folder,) = (entry["value"] for entry in container["env"] if entry["name"] == "NEOFORGE_ATTACHMENTS_FOLDER")
    claims = {
        v["name"]: v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v
    }
    below = [m for m in container["volumeMounts"] if folder.startswith(f"{m['mountPath']}/") and m["name"] in claims]
    return folder, claims[below[0]["name"]] if below else None


@pytest.mark.parametrize("process", ["support", "support-worker"])
def test_attachments_are_on_the_volume_wherever_that_is(process: str) -> None:
    assert kept(rendered(), process) == ("/var/lib/neoforge/attachments", "neoforge-support")
    moved = rendered("--set", "support.storage.path=/srv/files", "--set", "support.storage.existingClaim=files")
    assert kept(moved, process) == ("/srv/files/attachments", "files")


def test_a_process_that_is_released_alone_keeps_them_there_too() -> None:
    alone = rendered("--values", CHART / "services" / "support.yaml", chart=SERVICE_CHART, release="support")
    assert kept(alone, "support") == ("/var/lib/neoforge/attachments", "neoforge-support")


@pytest.mark.parametrize("values", [BUCKET, (*BUCKET, *NO_VOLUME)])
def test_with_a_bucket_there_is_no_volume(values: tuple[str, ...]) -> None:
    objects = rendered(*values)
    assert kept(objects, "support") == (WAITING, None)
    assert "PersistentVolumeClaim" not in {item["kind"] for item in objects}


def test_in_production_there_is_one_of_the_two() -> None:
    said = refusal(*NO_VOLUME)
    assert (
        "support: its files would be lost with its pod. Set support.env.NEOFORGE_S3_BUCKET, or support.storage" in said
    )
    assert "lost" in refusal(*NO_VOLUME, "--set", "support.env.NEOFORGE_S3_BUCKET=")
    local = rendered(*NO_VOLUME, "--set", "global.environment=development", "--set", "global.tls.mode=none")
    assert kept(local, "support") == (WAITING, None)


@pytest.mark.parametrize("folder", [WAITING, "/var/lib/neoforge-files"])
def test_a_folder_beside_the_volume_is_refused(folder: str) -> None:
    said = refusal("--set", f"support.env.NEOFORGE_ATTACHMENTS_FOLDER={folder}")
    assert f"support: NEOFORGE_ATTACHMENTS_FOLDER is {folder}, which is not on the volume at /var/lib/neoforge" in said


def test_nobody_else_keeps_files() -> None:
    claims = [name(item) for item in rendered() if item["kind"] == "PersistentVolumeClaim"]
    assert claims == ["PersistentVolumeClaim neoforge-support"]
