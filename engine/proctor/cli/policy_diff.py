"""`proctor policy diff`: what differs between two policies, and which recorded decisions flip."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from proctor.cli import exits, flips_table, outputs, replays
from proctor.cli.options import ListOutputOption
from proctor.cli.replays import (
    EnvironmentsOption,
    FromOption,
    ResumeOption,
    RunnerName,
    RunnerOption,
    SchedulerOption,
    SinceOption,
    WorkersOption,
)
from proctor.cli.terminal import progress
from proctor.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from proctor.opa.archive import Archive
    from proctor.policy.replaying import Tally

_CHANGES = {"Change": "kind", "Of": "of", "Before": "before", "After": "after"}
_POLICY = "a bundle (.tar.gz), a folder, a git revision, or '.' for what is configured"


def diff(
    before: Annotated[str, typer.Argument(metavar="A", help=f"The policy before: {_POLICY}.")],
    after: Annotated[str, typer.Argument(metavar="B", help="The policy after, named likewise.")] = ".",
    replay: Annotated[
        bool, typer.Option("--replay", help="Judge recorded decisions under both; list those that flip.")
    ] = False,
    source: FromOption = None,
    since: SinceOption = None,
    environment: EnvironmentsOption = None,
    runner: RunnerOption = RunnerName.PROCESSES,
    scheduler: SchedulerOption = None,
    workers: WorkersOption = None,
    resume: ResumeOption = False,
    output: ListOutputOption = None,
) -> None:
    """Show what differs between two policies: rules, severities, evidence, actions, thresholds, clauses, tiers.

    With --replay also the recorded decisions that flip, by rule, with an example of each.

    Exit code 0: no recorded decision flips (or none was asked for). 1: some do.
    """
    from proctor.opa import binary
    from proctor.policy import comparing, named
    from proctor.settings import load

    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    if not replay and (resume or source or since or environment or scheduler):
        raise UsageError("comparing the policies", "options for a replay without --replay", "Add --replay")
    settings = load()
    opa = binary.find(settings).path
    progress(f"building {before} and {after}")
    was, now = named.read(before, settings, opa), named.read(after, settings, opa)
    changes = [asdict(change) for change in comparing.compare(was, now)]
    document: dict[str, Any] = {
        "before": {"name": before, "revision": was.revision, "digest": was.digest},
        "after": {"name": after, "revision": now.revision, "digest": now.digest},
        "changes": changes,
    }
    lines = [f"{before} ({was.revision}) -> {after} ({now.revision}): {len(changes) or 'no'} differences"]
    sections = [outputs.Section("What differs", changes, _CHANGES)]
    tally: Tally | None = None
    if replay:
        with replays.recordings(settings, source) as found:
            tally = replays.replay(
                settings,
                found,
                _work(was, now, opa),
                {
                    "since": since or "", "environments": " ".join(sorted(environment or ())),
                    "before": was.digest, "against": now.digest,
                },
                judged_by=replays.runner(runner, scheduler, workers),
                resume=resume,
                only=replays.wanted(since, environment),
            )  # fmt: skip
        document["replay"] = flips_table.document(tally)
        lines += [replays.counted(tally), *flips_table.lines(tally)]
        sections.append(flips_table.section(tally))
    outputs.write_report(document, lines, sections, destinations)
    raise typer.Exit(exits.DENY if tally is not None and (tally.flipped or tally.lost) else exits.ALLOW)


def _work(was: "Archive", now: "Archive", opa: "Path") -> Any:
    from proctor.opa import archive
    from proctor.policy import replaying

    return replaying.flipping_work(archive.policy(was, opa), archive.policy(now, opa))
