"""Decisions that were really made: every story of the samples, asked of a real OPA and kept with its input."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from proctor.decide.again import Tools
from proctor.ledger.recordings import Recording, State, judged
from proctor.opa import archive, binary, bundle
from proctor.opa.bundle import BuiltBundle
from proctor.opa.managed import ManagedOpa
from proctor.settings import OpaSettings, PolicySettings, Settings
from tests.contract import stories
from tests.contract.stories import STORIES, Running

CHOSEN = [
    *list(STORIES.values())[::8],
    STORIES["data/denied_owner_has_left"],  # its message shows a field that is not in the case
    STORIES["deployment/allowed_waived_tag"],
    STORIES["deployment/asked_limits_missing"],
]
"""A part of the stories: to tell all of them takes a minute, and test_samples.py does."""


@dataclass
class Kept:
    """Implements `Recordings` in memory."""

    built: BuiltBundle
    tools: Tools
    recordings: list[Recording] = field(default_factory=list)
    bundles: dict[str, bytes] = field(default_factory=dict)
    name: str = "stories"

    @property
    def size(self) -> int:
        return len(self.recordings)

    def decisions(self, after: int = -1) -> Iterator[Recording]:
        return (one for one in self.recordings if one.index > after)

    def bundle(self, digest: str) -> bytes | None:
        return self.bundles.get(digest)

    def policy(self) -> archive.Policy:
        read = archive.read(self.built.path.read_bytes(), "the stories' own")
        assert self.tools.binary is not None
        return archive.policy(read, self.tools.binary)

    def only(self, recordings: Sequence[Recording]) -> "Kept":
        return Kept(self.built, self.tools, list(recordings), self.bundles)


@pytest.fixture(scope="package")
def kept(opa_binary: Path) -> Iterator[Kept]:
    folder = Path(tempfile.mkdtemp(prefix="prc-", dir="/tmp"))  # a socket's path has at most 107 bytes
    try:
        yield asyncio.run(_told(folder, opa_binary))
    finally:
        shutil.rmtree(folder)


async def _told(folder: Path, opa_binary: Path) -> Kept:
    key = folder / "keys" / "bundle.key"
    settings = PolicySettings(profile="strict")
    built = bundle.build(settings, opa_binary, bundle.policy_dir(None), folder / "bundles", key, None)
    found = binary.find(Settings(opa=OpaSettings(binary=opa_binary), state_dir=folder))
    engine = ManagedOpa(built, found, folder / "run", OpaSettings())
    await engine.start()
    try:
        running = Running(engine, built, found.version)
        kept = Kept(built, Tools.of(found, OpaSettings()), bundles={built.digest: built.path.read_bytes()})
        for number, story in enumerate(CHOSEN):
            async with stories.world(running, folder / str(number)) as made:
                await stories.arrange(story, made)
                cases: dict[str, bytes] = {}
                seal = made.decisions._recorder._case_of  # type: ignore[attr-defined]

                def keep(digest: str, raw: bytes, seal: Any = seal, cases: dict[str, bytes] = cases) -> Any:
                    cases[digest] = raw
                    return seal(digest, raw)

                made.decisions._recorder._case_of = keep  # type: ignore[attr-defined]
                record = (await stories.decided(story, made)).record()
                state = State.REPLAYABLE if judged(record) else State.UNJUDGED
                raw = cases[record["input_digest"]] if state is State.REPLAYABLE else None
                kept.recordings.append(Recording(number, record, state, raw))
    finally:
        await engine.close()
    return kept
