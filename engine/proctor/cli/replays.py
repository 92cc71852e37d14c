"""What the commands that judge recorded decisions again have in common: where they read, what runs them, progress."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from proctor.cli.terminal import progress
from proctor.errors import NotFoundError

if TYPE_CHECKING:
    from proctor.decide.runners.runner import Runner
    from proctor.ledger.recordings import Recordings
    from proctor.policy.pieces import Piece
    from proctor.policy.replaying import Outcome, Tally
    from proctor.settings import Settings

_SAVED_EVERY: Final = 5.0
_TOLD_EVERY: Final = 2.0


class RunnerName(StrEnum):
    """What judges."""

    PROCESSES = "processes"
    DASK = "dask"


FromOption = Annotated[
    Path | None,
    typer.Option("--from", help="An export made with --cases; default: the ledger of the state directory."),
]
RunnerOption = Annotated[RunnerName, typer.Option("--runner", help="Processes of this machine, or a Dask cluster.")]
SchedulerOption = Annotated[
    str | None, typer.Option("--scheduler", help="Address of a Dask scheduler; default: a cluster on this machine.")
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=0, max=256, help="Default: one for each processor. 0: judge in this process."),
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on with a replay that was interrupted.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", metavar="DATE", help="Only decisions from this date on (2026-01-31).")
]
EnvironmentsOption = Annotated[
    list[str] | None, typer.Option("--environment", "-e", help="Only decisions about these environments.")
]


def runner(name: RunnerName, scheduler: str | None, workers: int | None) -> "Runner":
    """Return what judges, not started yet."""
    if name is RunnerName.DASK or scheduler is not None:
        from proctor.decide.runners.cluster import DaskCluster

        return DaskCluster(scheduler, workers)
    if workers == 0:
        from proctor.decide.runners.here import InProcess

        return InProcess()
    from proctor.decide.runners.pool import ProcessPool

    return ProcessPool(workers)


@contextmanager
def recordings(settings: "Settings", export: Path | None) -> Iterator["Recordings"]:
    """Lend the recorded decisions of an export, or of the state directory. Works beside a running server."""
    from proctor.ledger.recordings import ExportRecordings, StateRecordings

    if export is not None:
        yield ExportRecordings(export)
        return
    from proctor.ledger import keyring
    from proctor.ledger.bundles import BundleStore
    from proctor.ledger.cases import CaseStore
    from proctor.ledger.clock import Clock
    from proctor.store.database import Database

    file = settings.state_dir / "proctor.db"
    if settings.database_url is None and not file.exists():
        remedy = "Set PROCTOR_STATE_DIR, or name an export with --from"
        raise NotFoundError(f"opening the ledger {file}", "no such file", remedy)
    database = Database.open(settings.database)
    try:
        keyring.check(database, settings.state_dir)  # before a key is made that is not this ledger's
        clock = Clock()
        kept = timedelta(days=settings.case_retention_days)
        yield StateRecordings(
            database, CaseStore(database, settings.state_dir, clock, kept), BundleStore(database, clock)
        )
    finally:
        database.close()


def wanted(since: str | None, environments: list[str] | None) -> Callable[[Mapping[str, Any]], bool]:
    """Return which records are asked for."""
    named = frozenset(environments or ())

    def is_wanted(record: Mapping[str, Any]) -> bool:
        recent = since is None or str(record.get("decided_at", "")) >= since
        return recent and (not named or record.get("environment") in named)

    return is_wanted


def replay(
    settings: "Settings",
    found: "Recordings",
    work: "Callable[[Piece], Outcome]",
    question: Mapping[str, str],
    *,
    judged_by: "Runner",
    resume: bool,
    only: Callable[[Mapping[str, Any]], bool],
) -> "Tally":
    """Make the recorded decisions again, telling how far it is; write that down when it is interrupted."""
    from proctor.decide.again import Tools
    from proctor.opa import binary
    from proctor.policy import replaying
    from proctor.policy.pieces import Policies, cut
    from proctor.policy.resuming import Progress

    file = Progress(settings.state_dir / "replays", {**question, "ledger": found.name})
    tally = file.load() if resume else replaying.Tally()
    opa = binary.find(settings)
    total = found.size
    began = saved = time.monotonic()
    told = began - _TOLD_EVERY  # the first piece is told of at once: by then it is clear how long it will take
    first = tally.last
    if resume:
        progress(f"going on after entry {tally.last}: {tally.decisions} decisions are done")
    pieces = cut(found, Policies(found.bundle, opa.path), Tools.of(opa, settings.opa), tally.last, only)
    finished = False
    try:
        with judged_by:
            for _ in replaying.run(judged_by, work, pieces, tally):
                now = time.monotonic()
                if now - told >= _TOLD_EVERY:
                    told = now
                    _tell(tally, first, total, now - began)
                if now - saved >= _SAVED_EVERY:
                    saved = now
                    file.save(tally)
        finished = True
    finally:
        if not finished and tally.decisions:
            file.save(tally)
            progress(f"stopped after {tally.decisions} decisions; the same command with --resume goes on")
    file.done()
    return tally


def _tell(tally: "Tally", first: int, total: int, seconds: float) -> None:
    share = (tally.last + 1) / total if total else 1.0
    speed = (tally.last - first) / max(seconds, 0.001)
    left = f", about {(total - tally.last - 1) / speed:.0f} s left" if speed > 0 else ""
    progress(
        f"{tally.decisions} decisions, {share:.0%} of the ledger, {speed:.0f} entries/s{left}; "
        f"{tally.differing + tally.flipped} differ"
    )


def counted(tally: "Tally") -> str:
    """Return how many decisions there were and what became of those that could not be made again, in one line."""
    counts = dict(tally.counts)
    again = counts.pop("replayable", 0)
    rest = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    return f"{tally.decisions} decisions: {again} made again" + (f"; not made again: {rest}" if rest else "")
