"""Large exports, made of a few decisions that were really made: each with an id and a request id of its own."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from proctor.ledger.merkle import leaf_hash
from proctor.ledger.recordings import BUNDLES, CASES, Recording, State
from proctor.vocabulary.canonical import canonical, decode, digest_bytes
from tests.contract.replay.conftest import Kept


def distinct(originals: Sequence[Recording], count: int) -> Iterator[Recording]:
    """Yield as many decisions: equal to the originals but for what tells them apart."""
    documents = [decode(one.raw or b"") for one in originals]
    for index in range(count):
        one, document = originals[index % len(originals)], documents[index % len(originals)]
        id_ = f"dec_{index:026d}"
        assert isinstance(document, dict)
        context = document["context"]
        assert isinstance(context, dict)
        raw = canonical({**document, "context": {**context, "request_id": id_}})
        record = {**one.record, "id": id_, "input_digest": digest_bytes(raw)}
        yield Recording(index, record, State.REPLAYABLE, raw)


def write(folder: Path, kept: Kept, count: int) -> Path:
    """Write an export of `count` decisions, as `proctor ledger export --cases` does."""
    originals = [one for one in kept.recordings if one.raw]
    (folder / BUNDLES).mkdir(parents=True)
    for digest, content in kept.bundles.items():
        (folder / BUNDLES / f"{digest.removeprefix('sha256:')}.tar.gz").write_bytes(content)
    with (
        (folder / "entries.jsonl").open("wb") as entries,
        (folder / "leaves.txt").open("w") as leaves,
        (folder / CASES).open("wb") as cases,
    ):
        for one in distinct(originals, count):
            entry = {
                "id": one.id, "index": one.index, "kind": "decision", "record": dict(one.record),
                "recorded_at": "2026-01-01T00:00:00Z",
            }  # fmt: skip
            line = canonical(entry)
            entries.write(line + b"\n")
            leaves.write(leaf_hash(line).hex() + "\n")
            case = json.dumps({"entry": one.index, "state": one.state})[:-1]
            cases.write(f'{case}, "input": '.encode() + (one.raw or b"") + b"}\n")
    return folder
