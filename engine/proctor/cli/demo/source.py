"""Alice's side: a git repository with her training, and a model that reads digits, trained for real in a second.

The digits come with scikit-learn (1797 of them, the test set of E. Alpaydin and C. Kaynak, 1998, written by 13 people:
https://archive.ics.uci.edu/dataset/80), so nothing is fetched. In the story they lie on the bank's own storage.
"""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from proctor.cli.demo import objects
from proctor.cli.demo.stage import Stage
from proctor.errors import EngineError

SEED: Final = 7
_TRAINED_ON: Final = 1000
"""Digits that the model learns from; the others are the holdout."""


@dataclass(frozen=True)
class Digits:
    """The data, in two parts."""

    train_x: Any
    train_y: Any
    holdout_x: Any
    holdout_y: Any


class Source:
    """The repository of the training."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "source"
        self.folder.mkdir()
        self._git("init", "--quiet")
        (self.folder / "train.py").write_text(
            "model = LogisticRegression(C=0.01).fit(images, digits)\n", encoding="utf-8"
        )
        self._git("add", "train.py")
        self._git("commit", "--quiet", "--message", "Read digits")

    def _git(self, *arguments: str) -> None:
        own = {
            "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER")
               for what, value in (("NAME", "Alice"), ("EMAIL", "alice@example.com"))},
        }  # fmt: skip
        try:
            subprocess.run(
                ["git", "-C", str(self.folder), *arguments],  # noqa: S607 (the git that the person has)
                env={**os.environ, **own}, capture_output=True, text=True, timeout=20, check=True,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError) as error:
            stderr = getattr(error, "stderr", None) or ""
            raise EngineError("making Alice's git repository", f"{error} {stderr}".strip(), "Install git") from error

    @property
    def plan(self) -> dict[str, Any]:
        """Return the arguments of `proctor.preflight` and `proctor.training`."""
        return {"purpose": objects.PURPOSE, "datasets": [objects.DATASET], "seed": SEED, "folder": self.folder}

    def call(self, function: str) -> str:
        """Return what a data scientist types; the folder is where the notebook is."""
        return f'proctor.{function}(purpose="{objects.PURPOSE}", datasets=["{objects.DATASET}"], seed={SEED})'

    def preflight(self, stage: Stage) -> Any:
        """Ask as Alice whether the plan may go ahead, and return the answer."""
        from proctor.notebook.training import preflight

        with stage.session("alice"):
            return preflight(**self.plan)


def digits() -> Digits:
    """Return the digits, which lie in scikit-learn's package."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    return Digits(images[:_TRAINED_ON], labels[:_TRAINED_ON], images[_TRAINED_ON:], labels[_TRAINED_ON:])


def train(data: Digits, strength: float) -> Any:
    """Return a model that has learned."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=200).fit(data.train_x / 16, data.train_y)
