"""ProveImage through the door: a job, evidence on the version, and the rule about what is public."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from image_library.cli.__main__ import run
from image_library.domain.boot_proof import BootFacts, BootProof, ProofOutcome, StageTime
from image_library.domain.image import Failure
from image_library.domain.job import JobState
from image_library.domain.proof_order import KEY_LINE
from tests.fakes.control_values import DIGEST, OTHER_DIGEST, a_published_image
from tests.fakes.node_daemon import FakeNodeDaemon
from tests.rpc.conftest import IMAGES, Caller, control_plane, reason
from tests.support.rpc import Json

PROFILES = "limiquantix.compute.v1.ProfileService"
STAGES = (StageTime(stage="boot", seconds=0.0), StageTime(stage="ssh", seconds=9.5))
PROVED = BootProof(
    outcome=ProofOutcome.PASSED,
    digest=DIGEST,
    # What a node says of itself is not believed.
    proved_at=datetime(1999, 1, 1, tzinfo=UTC),
    node_id="another",
    hypervisor="qemu",
    accelerator="tcg",
    login_method="ssh key",
    login_user="debian",
    stages=(*STAGES, StageTime(stage="login", seconds=12.25)),
    facts=BootFacts(os_release="Debian \x1b[31m12", kernel="Linux 6.1", host_key_types=("ssh-ed25519",)),
    serial_tail="login:\x1b[2J\x07 \u202eevil",
)
FAILED = replace(
    PROVED,
    outcome=ProofOutcome.FAILED,
    login_method="",
    login_user="",
    failed_stage="cloud_init",
    failed_module="scripts-user",
    error_code="image.boot_failed",
    error_message="cloud-init ended with an error.",
    error_remedy="Look at the module.",
)


async def there(call: Caller, node: FakeNodeDaemon, digest: str = DIGEST) -> str:
    job = (await call(f"{IMAGES}/DownloadImage", {"catalogId": "debian-12"}))["jobId"]
    await node.downloading(job)
    node.say(node.journal[job].evolve(state=JobState.READY, published=a_published_image(digest=digest)))
    return (await call.ended(job))["imageId"]


async def begun(call: Caller, node: FakeNodeDaemon, **asked: Any) -> Json:
    job = await call(f"{IMAGES}/ProveImage", {"image": "debian-12"} | asked)
    await node.downloading(job["jobId"])
    return job


def ends(node: FakeNodeDaemon, job: Json, proof: BootProof | None = PROVED) -> None:
    """The node tells the proof's end."""
    said = proof.error_code if proof else "internal"
    state = JobState.FAILED if said else JobState.READY
    failure = Failure(code=said, message=proof.error_message if proof else "It broke.") if said else None
    node.say(node.journal[job["jobId"]].evolve(state=state, proof=proof, failure=failure))


async def proved(call: Caller, node: FakeNodeDaemon, proof: BootProof | None = PROVED) -> Json:
    job = await begun(call, node)
    ends(node, job, proof)
    return await call.ended(job["jobId"])


async def status_of(call: Caller, image: str = "debian-12") -> Json:
    return (await call(f"{IMAGES}/GetImage", {"id": image}))["status"]


@pytest.fixture
async def image(call: Caller, node: FakeNodeDaemon) -> str:
    return await there(call, node)


async def test_what_the_node_saw_becomes_evidence_of_the_version(
    call: Caller, node: FakeNodeDaemon, image: str
) -> None:
    assert "bootProof" not in await status_of(call)
    ended = await proved(call, node)
    assert (ended["kind"], ended["status"], ended["imageId"]) == ("prove", "COMPLETED", image)
    status = await status_of(call)
    proof = status["bootProof"]
    assert status["boots"] is True
    assert (proof["outcome"], proof["digest"], proof["jobId"]) == ("passed", DIGEST, ended["jobId"])
    assert (proof["nodeId"], proof["firmware"]) == ("node-1", "bios")
    assert not proof["provedAt"].startswith("1999")
    assert proof["stages"][-1] == {"stage": "login", "seconds": 12.25}
    assert proof["facts"]["hostKeyTypes"] == ["ssh-ed25519"]
    assert proof["facts"]["osRelease"].isprintable()
    assert all(line.isprintable() for line in proof["serialTail"].split("\n"))


async def test_the_guest_is_told_a_user_and_a_key_that_opens_nothing(
    call: Caller, node: FakeNodeDaemon, image: str
) -> None:
    job = await begun(call, node, timeoutSeconds=77)
    prove = node.journal[job["jobId"]].order.prove
    assert prove is not None
    assert (prove.login_user, prove.timeout_seconds) == ("debian", 77)
    assert KEY_LINE in prove.machine.seed.user_data
    # What needs a network would fail for no fault of the image.
    assert "package" not in prove.machine.seed.user_data
    assert "qemu-guest-agent" not in prove.machine.seed.user_data
    assert prove.machine.throw_away
    assert prove.machine.disk.backing_digest == DIGEST


async def test_its_stages_are_told_as_they_come_and_explained(
    call: Caller, node: FakeNodeDaemon, image: str
) -> None:
    job = await begun(call, node)
    node.say(node.journal[job["jobId"]].evolve(state=JobState.PROVING, stages=STAGES))
    async for state in call.stream(f"{IMAGES}/WatchImport", {"jobId": job["jobId"]}):
        if len(state.get("bootStages", [])) == 2:
            assert state["stage"] == "proving"
            break
    said = await call(f"{IMAGES}/ExplainJob", {"jobId": job["jobId"]})
    assert "boots a throw-away VM of 'debian-12'" in said["summary"]
    assert "9.5 s after power-on: ssh." in said["steps"]
    again = await call(f"{IMAGES}/ProveImage", {"image": "debian-12"})
    assert again["jobId"] == job["jobId"]


async def test_a_failed_one_is_kept_too_and_takes_the_mark_away(
    call: Caller, node: FakeNodeDaemon, image: str
) -> None:
    await proved(call, node)
    ended = await proved(call, node, FAILED)
    assert (ended["status"], ended["errorCode"]) == ("FAILED", "image.boot_failed")
    status = await status_of(call)
    assert not status.get("boots")
    # The image is as usable as it was.
    assert status["phase"] == "READY"
    proof = status["bootProof"]
    assert (proof["outcome"], proof["failedStage"], proof["failedModule"]) == (
        "failed",
        "cloud_init",
        "scripts-user",
    )
    assert proof["errorRemedy"] == "Look at the module."


@pytest.mark.parametrize("said", [None, replace(PROVED, digest=OTHER_DIGEST)])
async def test_an_end_without_a_proof_of_these_bytes_proves_nothing(
    call: Caller, node: FakeNodeDaemon, image: str, said: BootProof | None
) -> None:
    job = await begun(call, node)
    node.say(node.journal[job["jobId"]].evolve(state=JobState.READY, proof=said))
    assert (await call.ended(job["jobId"]))["status"] == "FAILED"
    assert "bootProof" not in await status_of(call)


async def test_a_cancelled_proof_leaves_the_image_as_it_was(
    call: Caller, node: FakeNodeDaemon, image: str
) -> None:
    job = await begun(call, node)
    cancelled = await call(f"{IMAGES}/CancelImport", {"jobId": job["jobId"]})
    assert (cancelled["stage"], cancelled["errorMessage"]) == ("cancelled", "The proof was cancelled.")
    status = await status_of(call)
    assert (status["phase"], "bootProof" in status) == ("READY", False)
    refused = await call.refused(f"{IMAGES}/RetryImport", {"jobId": job["jobId"]})
    assert "images prove" in refused.message


async def test_it_is_no_use_of_the_image_once_it_has_ended(
    call: Caller, node: FakeNodeDaemon, image: str
) -> None:
    job = await begun(call, node)
    refused = await call.refused(f"{IMAGES}/DeleteImage", {"id": image})
    assert "A prove of" in refused.message
    ends(node, job)
    await call.ended(job["jobId"])
    await call(f"{IMAGES}/DeleteImage", {"id": image})


async def test_a_download_is_not_taken_for_done_because_of_a_proof(
    call: Caller, node: FakeNodeDaemon, image: str
) -> None:
    job = await begun(call, node)
    again = await call(f"{IMAGES}/DownloadImage", {"catalogId": "debian-12"})
    assert again["jobId"] != job["jobId"]


async def test_a_restarted_control_plane_goes_on_with_it(data_dir: Path) -> None:
    async with control_plane(data_dir) as call:
        node = FakeNodeDaemon(token=call.handle.join_token)
        async with node.serving():
            await call.register(node)
            await there(call, node)
            job = await begun(call, node)
            node.say(node.journal[job["jobId"]].evolve(state=JobState.PROVING, stages=STAGES))
            await _until(call, job, "proving")
    async with control_plane(data_dir) as call, node.serving():
        await call.register(node)
        ends(node, job)
        assert (await call.ended(job["jobId"]))["status"] == "COMPLETED"
        assert (await status_of(call))["boots"] is True


async def test_a_node_that_has_lost_it_ends_it_in_plain_words(data_dir: Path) -> None:
    async with control_plane(data_dir) as call:
        node = FakeNodeDaemon(token=call.handle.join_token)
        async with node.serving():
            await call.register(node)
            await there(call, node)
            job = await begun(call, node)
            node.say(node.journal[job["jobId"]].evolve(state=JobState.PROVING, stages=STAGES))
            await _until(call, job, "proving")
        node.journal.clear()
        async with node.serving():
            await call.register(node)
            ended = await call.ended(job["jobId"])
    assert (ended["status"], ended["errorCode"]) == ("FAILED", "image.boot_interrupted")


async def _until(call: Caller, job: Json, stage: str) -> None:
    async for state in call.stream(f"{IMAGES}/WatchImport", {"jobId": job["jobId"]}):
        if state["stage"] == stage:
            return


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"image": "none"}, "not_found"),
        ({"nodeId": "none"}, "not_found"),
        ({"timeoutSeconds": 4}, "invalid_argument"),
        ({"timeoutSeconds": 3601}, "invalid_argument"),
        ({"profile": "none"}, "not_found"),
        ({"parameters": {"a": "b"}}, "invalid_argument"),
    ],
)
async def test_what_cannot_be_proved_is_refused(call: Caller, image: str, asked: Json, code: str) -> None:
    refused = await call.refused(f"{IMAGES}/ProveImage", {"image": image} | asked)
    assert refused.code == code


async def test_a_profiles_secrets_are_kept_no_longer_than_the_proof(
    call: Caller, node: FakeNodeDaemon, image: str, data_dir: Path
) -> None:
    profile: Json = {
        "name": "web",
        "provisioning": {"runCommands": ["echo ${param.word} > /root/word"]},
        "parameters": [{"name": "word", "type": "SECRET", "required": True}],
    }
    await call(f"{PROFILES}/CreateProfile", profile)
    job = await begun(call, node, profile="web", secretParameters={"word": "hunter2hunter2"})
    prove = node.journal[job["jobId"]].order.prove
    assert prove is not None
    assert "hunter2hunter2" in prove.machine.seed.user_data
    ends(node, job)
    await call.ended(job["jobId"])
    assert (await status_of(call))["bootProof"]["profile"] == "web@1"
    with closing(sqlite3.connect(f"file:{data_dir}/controlplane.db?mode=ro", uri=True)) as database:
        [(stored,)] = database.execute('SELECT "order" FROM jobs WHERE id = ?', (job["jobId"],)).fetchall()
    assert "hunter2hunter2" not in stored
    assert "timeout_seconds" in stored


@pytest.fixture
async def strict(data_dir: Path) -> AsyncGenerator[tuple[Caller, FakeNodeDaemon]]:
    """A site that demands a proof of what is public."""
    async with control_plane(data_dir, require_boot_proof=("yes", "lab=no")) as call:
        node = FakeNodeDaemon(token=call.handle.join_token)
        async with node.serving():
            await call.register(node)
            yield call, node


async def test_only_what_is_proved_may_become_public(strict: tuple[Caller, FakeNodeDaemon]) -> None:
    call, node = strict
    image = await there(call, node)
    public: Json = {"id": image, "visibility": "PUBLIC", "updateMask": "visibility"}
    assert (await call(f"{IMAGES}/GetImage", {"id": image}))["spec"]["visibility"] == "PROJECT"
    await proved(call, node, FAILED)
    refused = await call.refused(f"{IMAGES}/UpdateImage", public)
    assert (refused.code, reason(refused)) == ("failed_precondition", "IMAGE_BOOT_UNPROVED")
    assert "this site demands" in refused.message
    assert "images prove debian-12" in refused.message
    await proved(call, node)
    assert (await call(f"{IMAGES}/UpdateImage", public))["spec"]["visibility"] == "PUBLIC"


async def test_what_comes_in_is_not_public_at_once(strict: tuple[Caller, FakeNodeDaemon]) -> None:
    call, _ = strict
    for method, more in (("CreateImage", {"spec": {"visibility": "PUBLIC"}}), ("ImportImage", {})):
        asked: Json = {"name": "mine", "visibility": "PUBLIC", "url": "https://example.org/a.qcow2"}
        sent = {"name": "mine"} | more if method == "CreateImage" else asked
        refused = await call.refused(f"{IMAGES}/{method}", sent)
        assert reason(refused) == "IMAGE_BOOT_UNPROVED"
    made = await call(
        f"{IMAGES}/CreateImage", {"name": "mine", "projectId": "lab", "spec": {"visibility": "PUBLIC"}}
    )
    assert made["spec"]["visibility"] == "PUBLIC"


async def test_the_command_shows_the_proof(
    call: Caller, node: FakeNodeDaemon, image: str, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def cli(*words: str) -> int:
        return run(["--server", call.handle.url, "--data-dir", str(data_dir), *words])

    async def answered() -> None:
        new = await node.asked(but=frozenset(node.journal))
        ends(node, {"jobId": new.order.job_id}, FAILED if failing else PROVED)

    failing = False
    doing = asyncio.create_task(answered())
    assert await asyncio.to_thread(cli, "images", "prove", "debian-12", "--timeout", "60") == 0
    await doing
    said = capsys.readouterr().out
    assert "debian by ssh key" in said
    assert "login 12.25 s" in said
    assert await asyncio.to_thread(cli, "images", "show", "debian-12") == 0
    assert "yes, proved" in capsys.readouterr().out
    assert await asyncio.to_thread(cli, "images", "list") == 0
    assert "checksum, boots" in capsys.readouterr().out

    failing = True
    doing = asyncio.create_task(answered())
    assert await asyncio.to_thread(cli, "images", "prove", "debian-12") != 0
    await doing
    heard = capsys.readouterr()
    assert "cloud_init (scripts-user)" in heard.out
    assert "Look at the module." in heard.out
    assert "error: cloud-init ended with an error." in heard.err
