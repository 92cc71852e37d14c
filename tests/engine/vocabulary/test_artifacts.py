"""The manifest binds names to contents, whoever hashes; and what can run code is known by name and by first bytes."""

import hashlib
import io
import pickle
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.vocabulary import artifacts
from proctor.vocabulary.artifacts import SNIFFED, ManifestFile, manifest_digest, sha256_of, unsafe

NAMES = st.lists(st.from_regex(r"[a-z0-9_.-]{1,12}", fullmatch=True).filter(lambda part: part not in {".", ".."}))
PATHS = NAMES.filter(bool).map("/".join)
SUMS = st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
FILES = st.lists(
    st.builds(ManifestFile, PATHS, SUMS, st.integers(0, 2**53 - 1)),
    min_size=1, max_size=8, unique_by=lambda one: one.path,
)  # fmt: skip


@given(FILES, st.randoms(use_true_random=False))
def test_the_order_in_which_files_are_found_does_not_matter(files: list[ManifestFile], chance: object) -> None:
    mixed = list(files)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert manifest_digest(mixed) == manifest_digest(files)


@given(FILES, st.data())
def test_every_part_of_every_file_counts(files: list[ManifestFile], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(files) - 1))
    one = files[index]
    other = data.draw(
        st.sampled_from(
            [
                ManifestFile(f"{one.path}x", one.sha256, one.size),
                ManifestFile(one.path, hashlib.sha256(one.sha256.encode()).hexdigest(), one.size),
                ManifestFile(one.path, one.sha256, (one.size + 1) % 2**53),
            ]
        )
    )
    if other.path in {file.path for file in files} - {one.path}:
        return
    assert manifest_digest([*files[:index], other, *files[index + 1 :]]) != manifest_digest(files)
    if len(files) > 1:
        assert manifest_digest([*files[:index], *files[index + 1 :]]) != manifest_digest(files)


def test_two_files_that_change_places_are_another_version() -> None:
    one, two = hashlib.sha256(b"1").hexdigest(), hashlib.sha256(b"2").hexdigest()
    before = [ManifestFile("a", one, 1), ManifestFile("b", two, 1)]
    after = [ManifestFile("a", two, 1), ManifestFile("b", one, 1)]
    assert manifest_digest(before) != manifest_digest(after)


def test_the_digest_stays_what_it_was_in_every_release() -> None:
    file = ManifestFile("MLmodel", hashlib.sha256(b"x").hexdigest(), 1)
    expected = hashlib.sha256(
        b'{"files":[{"path":"MLmodel","sha256":"%s","size":1}],"schema":"proctor/manifest/v1"}' % file.sha256.encode()
    ).hexdigest()
    assert manifest_digest([file]) == f"sha256:{expected}"


@pytest.mark.parametrize("path", ["/a", "../a", "a/../b", "a//b", "./a", "a/", "", "a\\b", "."])
def test_a_path_that_leaves_the_root_or_has_two_spellings_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="no path below the root"):
        manifest_digest([ManifestFile(path, "0" * 64, 0)])


def test_nothing_the_same_path_twice_and_too_many_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    file = ManifestFile("a", "0" * 64, 0)
    with pytest.raises(ValueError, match="stands twice"):
        manifest_digest([file, file])
    with pytest.raises(ValueError, match="1 to"):
        manifest_digest([])
    monkeypatch.setattr(artifacts, "MAX_FILES", 1)
    with pytest.raises(ValueError, match="this one 2"):
        manifest_digest([file, ManifestFile("b", "0" * 64, 0)])


@given(st.lists(st.binary(max_size=700), max_size=5))
def test_chunks_are_hashed_as_one_file(chunks: list[bytes]) -> None:
    whole = b"".join(chunks)
    assert sha256_of(chunks) == (hashlib.sha256(whole).hexdigest(), len(whole), whole[:SNIFFED])


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_real_pickle_is_unsafe_whatever_it_is_called(protocol: int) -> None:
    assert unsafe("weights.safetensors", pickle.dumps({"a": [1]}, protocol))


def test_a_pickle_in_a_zip_is_unsafe_whatever_it_is_called() -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w") as archive:
        archive.writestr("archive/data.pkl", b"x")
    assert unsafe("weights", raw.getvalue()[:SNIFFED])


@pytest.mark.parametrize("name", ["model.pkl", "MODEL.PKL", "data/model.joblib", "pytorch_model.bin", "m.h5", "x.pt"])
def test_formats_whose_loaders_run_code_are_unsafe_by_name(name: str) -> None:
    assert unsafe(name, b"")


@pytest.mark.parametrize(
    ("name", "beginning"),
    [
        ("MLmodel", b"flavors:"),
        ("model.safetensors", b"\x10\0\0\0"),
        ("m.onnx", b"\x08\x07"),
        ("model.skops", b"PK\x03\x04"),
    ],
)
def test_plain_formats_are_not(name: str, beginning: bytes) -> None:
    assert not unsafe(name, beginning)
