"""A small file that says how far a replay got, so that one that was interrupted goes on where it stopped.

It is bound to the policies, to the ledger and to what was asked for: with any other of these it is not gone on with.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from proctor.errors import NotFoundError, StateError
from proctor.policy.replaying import Tally
from proctor.vocabulary.canonical import digest

_FORMAT: Final = 1
_MAX_BYTES: Final = 8 * 1024 * 1024


class Progress:
    """The file of one replay."""

    def __init__(self, folder: Path, question: Mapping[str, str]) -> None:
        """Take as `question` what the replay is bound to: digests, ledger, filters."""
        self._question: dict[str, Any] = dict(question)
        self.path = folder / f"{digest(self._question).removeprefix('sha256:')[:16]}.json"

    def load(self) -> Tally:
        """Return how far it got. Raises `NotFoundError` where there is no such file, `StateError` for a damaged one."""
        tried = f"going on with the replay in {self.path}"
        try:
            if self.path.stat().st_size > _MAX_BYTES:
                raise StateError(tried, "it is too large to be one", "Remove the file, and replay without --resume")
            document: Any = json.loads(self.path.read_bytes())
            if (document["format"], document["question"]) != (_FORMAT, self._question):
                raise StateError(tried, "it is about something else", "Remove the file, and replay without --resume")
            return Tally(**document["tally"])
        except FileNotFoundError as error:
            found = "no such replay was interrupted: policies, ledger and filters must be the same"
            raise NotFoundError(tried, found, "Replay without --resume") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StateError(tried, f"it is damaged: {error}", "Remove it, and replay without --resume") from error

    def save(self, tally: Tally) -> None:
        """Write down how far it got, for this user alone; a crash leaves this or the former file whole."""
        document = {"format": _FORMAT, "question": self._question, "tally": asdict(tally)}
        draft = self.path.with_suffix(".new")
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(document, file)
            draft.replace(self.path)
        except OSError as error:
            raise StateError(f"writing {self.path}", str(error), "Make room on the disk") from error

    def done(self) -> None:
        """Remove the file: there is nothing to go on with."""
        self.path.unlink(missing_ok=True)
