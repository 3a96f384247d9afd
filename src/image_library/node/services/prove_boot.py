"""Proofs that images boot: each a throw-away VM, begun once, followed by anybody, and gone at its end.

Nothing of them outlives this program: a VM that a killed one left is removed at the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass

import structlog

from image_library.domain.boot_proof import BootProof
from image_library.domain.changes import Changes
from image_library.domain.errors import (
    BootProofInterrupted,
    Internal,
    JobCancelled,
    LibraryError,
    UnknownJob,
    printable,
)
from image_library.domain.image import Failure
from image_library.domain.job import JobState
from image_library.domain.proof_order import ProofOrder
from image_library.domain.store import Download, DownloadOrder
from image_library.node.ports.health import WriteGate
from image_library.node.services.proof_attempt import ProofAttempts

log = structlog.get_logger()

MOST_ENDED = 100


@dataclass(eq=False)
class _Trial:
    """One job: its record, and the task that works on it."""

    download: Download
    task: asyncio.Task[None] | None = None

    @property
    def order(self) -> ProofOrder:
        assert self.download.order.prove is not None
        return self.download.order.prove


class BootProofs:
    """``close`` when done; a proof that is under way then ends without a word, and its VM goes."""

    def __init__(self, *, attempts: ProofAttempts, gate: WriteGate, changes: Changes) -> None:
        self._attempts = attempts
        self._gate = gate
        self._changes = changes
        self._trials: dict[str, _Trial] = {}

    def start(self, order: DownloadOrder) -> None:
        """Begins the job, or joins it: the same job id is the same job, also when it has ended.

        Raises:
            BootProofInterrupted: it was begun before, and is not known here any more.
            StoreDegraded: the store takes nothing new.
        """
        if order.job_id in self._trials:
            return
        if order.prove is None or order.prove.begun:
            raise BootProofInterrupted("The node was restarted while it proved the image.")
        self._gate.check()
        trial = _Trial(download=Download(order=order, state=JobState.PROVING))
        self._trials[order.job_id] = trial
        trial.task = asyncio.create_task(self._run(trial), name=f"proof-{order.job_id}")
        log.info("proof_started", job_id=order.job_id, digest=trial.order.machine.disk.backing_digest)

    async def follow(self, job_id: str) -> AsyncGenerator[Download]:
        """The record at once, then the latest after each change, the last one being an ended one.

        Raises:
            UnknownJob
        """
        with self._changes.follow(_bell(job_id)) as changed:
            while True:
                download = self._get(job_id).download
                yield download
                if download.state.ended:
                    return
                await changed.wait()

    async def cancel(self, job_id: str) -> Download:
        """Ends it and removes its VM; one that has ended gives its result.

        Raises:
            UnknownJob
        """
        trial = self._get(job_id)
        if trial.task is not None and not trial.download.state.ended:
            trial.task.cancel()
            await asyncio.wait([trial.task])
            if not trial.download.state.ended:
                self._end(trial, JobState.CANCELLED, error=JobCancelled("The proof was cancelled."))
        return trial.download

    async def close(self) -> None:
        tasks = [t.task for t in self._trials.values() if t.task is not None and not t.task.done()]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _run(self, trial: _Trial) -> None:
        def told(stages: object) -> None:
            self._tell(trial, trial.download.evolve(stages=stages))

        try:
            proof = await self._attempts.run(trial.download.order.job_id, trial.order, told)
        except LibraryError as error:
            # Not the image failed but the trial of it: nothing is said of the image.
            self._end(trial, JobState.FAILED, error=error)
        except Exception:
            log.exception("proof_broke", job_id=trial.download.order.job_id)
            self._end(trial, JobState.FAILED, error=Internal("The proof failed for a reason of our own."))
        else:
            self._decided(trial, proof)

    def _decided(self, trial: _Trial, proof: BootProof) -> None:
        if not proof.error_code:
            self._end(trial, JobState.READY, proof=proof)
            return
        failure = Failure(code=proof.error_code, message=proof.error_message, remedy=proof.error_remedy)
        self._end(trial, JobState.FAILED, proof=proof, failure=failure)

    def _end(
        self,
        trial: _Trial,
        state: JobState,
        *,
        proof: BootProof | None = None,
        error: LibraryError | None = None,
        failure: Failure | None = None,
    ) -> None:
        if error is not None:
            failure = Failure(code=error.code, message=error.message, remedy=error.remedy)
        stages = proof.stages if proof else trial.download.stages
        self._tell(trial, trial.download.evolve(state=state, proof=proof, failure=failure, stages=stages))
        log.info("proof_ended", job_id=trial.download.order.job_id, state=state.value)
        ended = [job_id for job_id, t in self._trials.items() if t.download.state.ended]
        for job_id in ended[:-MOST_ENDED]:
            del self._trials[job_id]

    def _tell(self, trial: _Trial, download: Download) -> None:
        trial.download = download
        self._changes.notify(_bell(download.order.job_id))

    def _get(self, job_id: str) -> _Trial:
        with suppress(KeyError):
            return self._trials[job_id]
        raise UnknownJob(f"There is no proof '{printable(job_id)}' on this node.")


def _bell(job_id: str) -> str:
    return f"proof/{job_id}"
