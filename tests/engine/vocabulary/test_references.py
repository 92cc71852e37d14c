"""Model URIs and image references: one normal form, and nothing called immutable that can move."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.vocabulary.references import parse_image, parse_model

DIGEST = "sha256:" + "a" * 64
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("uri", "normal"),
    [
        ("models:/fraud/7", "models:/fraud/7"),
        ("models:/fraud/007", "models:/fraud/7"),
        ("MODELS:/cat.schema.fraud/7", "models:/cat.schema.fraud/7"),
        ("models:/m-" + "0" * 32, "models:/m-" + "0" * 32),
        (f"hf://org/m@{COMMIT}", f"hf://org/m@{COMMIT}"),
        (f"hf://org/m:{COMMIT}", f"hf://org/m@{COMMIT}"),
        (f"oci://Reg.Example/m:tag@{DIGEST}", f"oci://reg.example/m@{DIGEST}"),
        (f"oci+native://m@{DIGEST}", f"oci://docker.io/library/m@{DIGEST}"),
        (f"oci+fetch://m@{DIGEST}", f"oci://docker.io/library/m@{DIGEST}"),
    ],
)
def test_what_can_not_move(uri: str, normal: str) -> None:
    parsed = parse_model(uri)
    assert (parsed.uri, parsed.mutable, parsed.pinnable) == (normal, False, False)


@pytest.mark.parametrize(
    "uri", ["s3://B/m/", "gs://b/m", "https://h/m.tgz", "pvc://claim/m", "runs:/abc/model", "storage://n/k/p"]
)
def test_places_can_be_pinned_by_a_claim(uri: str) -> None:
    parsed = parse_model(uri)
    assert parsed.mutable
    assert parsed.pinnable
    assert parsed.digest is None


@pytest.mark.parametrize(
    "uri",
    [
        "models:/fraud@champion",
        "models:/fraud/Production",
        "models:/fraud/latest",
        "models:/fraud",
        "models:/fraud/7/x",
        "models:/fraud/-7",
        "models:/fraud/\u0667",
        "models:/a@b/7",
        "models://h/fraud/7",
        "models:/m-x",
        "hf://org/m",
        "hf://org/m:main",
        f"hf://org/m@{COMMIT[:-1]}",
        "hf://org/m@",
        "oci://r.io/m:tag",
        "oci://r.io/m",
        "oci://r.io/M",
        "oci://r.io/m@sha256:x",
        f"oci://r.io/m@sha512:{'a' * 128}",
        "file:///m",
        "git://x/y",
        "unheard://x",
        "",
        "x",
        " models:/fraud/7",
        "models:/fraud/7\n",
        "models:/fraud/7 ",
        "s3:",
        f"s3://b/m@{DIGEST} ",
    ],
)
def test_what_moves_by_design_or_is_not_understood(uri: str) -> None:
    parsed = parse_model(uri)
    assert parsed.mutable
    assert not parsed.pinnable
    assert parsed.digest is None


@given(
    st.text(max_size=60)
    | st.builds(
        "{}{}".format, st.sampled_from(["models:/", "oci://", "hf://", "s3://", "runs:/"]), st.text(max_size=40)
    )
)
def test_every_text_is_read_and_its_normal_form_stays(uri: str) -> None:
    parsed = parse_model(uri)
    again = parse_model(parsed.uri)
    assert (again.uri, again.locator, again.mutable, again.digest) == (
        parsed.uri,
        parsed.locator,
        parsed.mutable,
        parsed.digest,
    )


@pytest.mark.parametrize(
    ("reference", "full", "source"),
    [
        ("nginx", "docker.io/library/nginx:latest", "docker.io/library"),
        ("nginx:1", "docker.io/library/nginx:1", "docker.io/library"),
        ("kserve/sklearnserver", "docker.io/kserve/sklearnserver:latest", "docker.io/kserve"),
        ("index.docker.io/nginx", "docker.io/library/nginx:latest", "docker.io/library"),
        (f"ghcr.io/mlflow/mlflow@{DIGEST}", f"ghcr.io/mlflow/mlflow@{DIGEST}", "ghcr.io/mlflow"),
        (f"localhost:5000/m:1@{DIGEST}", f"localhost:5000/m:1@{DIGEST}", "localhost:5000"),
        ("Reg.Example/a/b/c:1", "reg.example/a/b/c:1", "reg.example/a"),
    ],
)
def test_images(reference: str, full: str, source: str) -> None:
    image = parse_image(reference)
    assert (image.full, image.source) == (full, source)
    assert parse_image(image.full) == parse_image(full)


@pytest.mark.parametrize(
    "reference",
    ["", "UPPER", "a//b", "a:b:c", "a@sha256:x", f"a@{DIGEST}x", "a b", "/a", "a/", "a:", "r.io:x/a", "-a", "\u0430"],
)
def test_what_no_runtime_would_pull(reference: str) -> None:
    with pytest.raises(ValueError, match=r"digest|registry|repository|tag"):
        parse_image(reference)
