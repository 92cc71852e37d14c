import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from proctor import settings
from proctor.errors import SettingsError
from proctor.settings import Settings

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"


def load(tmp_path: Path, document: dict[str, Any] | str) -> Settings:
    file = tmp_path / "proctor.yaml"
    file.write_text(document if isinstance(document, str) else yaml.safe_dump(document))
    return settings.load({"PROCTOR_CONFIG": str(file), "PROCTOR_STATE_DIR": str(tmp_path)})


def test_the_example_of_the_page_is_taken_as_it_stands(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found = load(tmp_path, example)
    assert found.policy.purposes["fraud-detection"].autonomy == "supervised"
    assert found.preflight_hours == 12


def test_no_purpose_is_provided(tmp_path: Path) -> None:
    assert load(tmp_path, {}).policy.purposes == {}


@pytest.mark.parametrize(
    ("policy", "where"),
    [
        ({"purposes": {"fraud": {"exposure": "everybody", "autonomy": "advisory"}}}, "policy.purposes.fraud.exposure"),
        ({"purposes": {"fraud": {"exposure": "public", "autonomy": "Advisory"}}}, "policy.purposes.fraud.autonomy"),
        ({"purposes": {"fraud": {"exposure": "public"}}}, "policy.purposes.fraud.autonomy"),
        ({"purposes": {"fraud": {"exposure": "public", "autonomy": "advisory", "x": 1}}}, "policy.purposes.fraud.x"),
        ({"purposes": {"Fraud": {"exposure": "public", "autonomy": "advisory"}}}, "policy.purposes.Fraud"),
        ({"purposes": {"*": {"exposure": "public", "autonomy": "advisory"}}}, "policy.purposes.*"),
    ],
)
def test_what_a_purpose_brings_is_a_closed_set_of_words(tmp_path: Path, policy: dict[str, Any], where: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(tmp_path, {"policy": policy})
    assert where in str(refused.value)


@pytest.mark.parametrize("hours", [0, -1, 168.5, "a day", float("nan"), float("inf")])
def test_a_preflight_is_good_for_a_limited_time(tmp_path: Path, hours: Any) -> None:
    with pytest.raises(SettingsError, match="preflight_hours"):
        load(tmp_path, {"preflight_hours": hours})
