"""`proctor policy replay`: recorded decisions, made again under their own policy or under another."""

from typing import Annotated

import typer

from proctor.cli import exits, outputs, replays
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

DIFFERENCES = {"Decision": "id", "Where": "path", "Recorded": "recorded", "Found": "found", "Recorded by": "engine"}


def replay(
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="POLICY", help="A bundle, a folder, a git revision, or '.' for what is configured."
        ),
    ] = None,
    source: FromOption = None,
    since: SinceOption = None,
    environment: EnvironmentsOption = None,
    runner: RunnerOption = RunnerName.PROCESSES,
    scheduler: SchedulerOption = None,
    workers: WorkersOption = None,
    resume: ResumeOption = False,
    output: ListOutputOption = None,
) -> None:
    """Make recorded decisions again: each must come out as it was recorded, to the byte.

    With --against, under another policy: the decisions that come out otherwise are listed by rule.

    Exit code 0: nothing differs. 1: something does, or a policy that judged is not kept.
    """
    from proctor.cli import flips_table
    from proctor.opa import archive, binary
    from proctor.policy import named, replaying
    from proctor.settings import load

    destinations = outputs.parse(output or [], outputs.OF_LISTS)
    settings = load()
    question = {"since": since or "", "environments": " ".join(sorted(environment or ())), "against": ""}
    work = replaying.reproducing_work()
    if against is not None:
        opa = binary.find(settings).path
        candidate = archive.policy(named.read(against, settings, opa), opa)
        question["against"] = candidate.digest
        work = replaying.flipping_work(None, candidate)
    with replays.recordings(settings, source) as found:
        tally = replays.replay(
            settings,
            found,
            work,
            question,
            judged_by=replays.runner(runner, scheduler, workers),
            resume=resume,
            only=replays.wanted(since, environment),
        )
    lines = [replays.counted(tally)]
    if against is None:
        lines.append(_verdict(tally.differing, tally.counts.get("replayable", 0)))
        outputs.write_report(
            {**flips_table.counts(tally), "differing": tally.differing, "differences": tally.differences},
            lines,
            [outputs.Section("", tally.differences, DIFFERENCES)],
            destinations,
        )
    else:
        lines += flips_table.lines(tally)
        outputs.write_report(flips_table.document(tally), lines, [flips_table.section(tally)], destinations)
    raise typer.Exit(exits.DENY if tally.differing or tally.flipped or tally.lost else exits.ALLOW)


def _verdict(differing: int, again: int) -> str:
    if differing:
        return f"{differing} of {again} came out otherwise than they were recorded"
    return f"all {again} came out as they were recorded" if again else "nothing could be made again"
