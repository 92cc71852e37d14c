"""docs/mlflow.md is held true: its settings load, its commands and variables exist, its claims name what there is."""

import re
import textwrap
from pathlib import Path
from typing import Any

import yaml

from proctor.cli.app import command as command_tree
from proctor_adapters.mlflow.configuration import MlflowSettings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "mlflow.md").read_text(encoding="utf-8")
PLUGIN = "\n".join(
    path.read_text(encoding="utf-8") for path in (ROOT / "adapters/proctor_adapters/mlflow").rglob("*.py")
)  # fmt: skip


def blocks(language: str) -> list[str]:
    return [textwrap.dedent(text) for text in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)]


def test_the_settings_on_the_page_are_all_there_are_and_load() -> None:
    (text,) = blocks("yaml")
    section = yaml.safe_load(text)["adapters"]["mlflow"]
    assert set(section) == set(MlflowSettings.model_fields)
    settings = MlflowSettings.read(section)
    for name in ("card_sections", "registration_environment", "budget"):
        assert section[name] == MlflowSettings.model_fields[name].default
    assert section["metrics"]["*"] == MlflowSettings.read({}).metrics["*"]
    assert settings.environment("credit-x", "alias:champion") == "prod"


def test_every_command_of_proctors_on_the_page_exists_with_its_options() -> None:
    commands = [line[2:] for text in blocks("console") for line in text.splitlines() if line.startswith("$ proctor ")]
    assert len(commands) == 4
    for line in commands:
        found: Any = command_tree()
        for word in line.split()[1:]:
            if word in getattr(found, "commands", {}):
                found = found.commands[word]
        options = {option for parameter in found.params for option in parameter.opts}
        assert found.params, line
        assert {word for word in line.split() if word.startswith("--")} <= options, line


def test_every_variable_on_the_page_is_read_and_the_other_way_round() -> None:
    named = set(re.findall(r"PROCTOR_[A-Z_]+[A-Z]", PAGE))
    read = set(re.findall(r"\"(PROCTOR_[A-Z_]+[A-Z])\"", PLUGIN))
    assert named == read


def test_the_card_on_the_page_has_the_sections_that_are_asked_for() -> None:
    (card,) = blocks("markdown")
    headings = {line.lstrip("# ").casefold() for line in card.splitlines() if line.startswith("#")}
    assert headings == set(MlflowSettings.read({}).card_sections)


def test_the_links_lead_somewhere() -> None:
    for link in re.findall(r"\]\(([^)#]+)", PAGE):
        assert (ROOT / "docs" / link).exists(), link
