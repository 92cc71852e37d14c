"""RFC 6962: the vectors that its authors published with their code, every small tree, and damaged proofs."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proctor.ledger import merkle, verify
from proctor.ledger.merkle import Frontier

# github.com/google/certificate-transparency, merkletree tests: eight leaves, the roots of their prefixes, and paths.
LEAVES = [
    merkle.leaf_hash(bytes.fromhex(record))
    for record in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
PATHS = {
    0: [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    5: [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
}
CONSISTENCY = {
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}
UP_TO = 40
MANY = [merkle.leaf_hash(b"%d" % number) for number in range(UP_TO)]


def _root_by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1 word by word; shares nothing with the frontier."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = max(power for power in (1 << bits for bits in range(10)) if power < len(leaves))
    left, right = _root_by_definition(leaves[:split]), _root_by_definition(leaves[split:])
    return hashlib.sha256(b"\x01" + left + right).digest()


ROOT_OF_MANY = [_root_by_definition(MANY[:size]) for size in range(UP_TO + 1)]


@pytest.mark.parametrize("size", range(9))
def test_published_roots(size: int) -> None:
    assert merkle.root_of(LEAVES[:size]).hex() == ROOTS[size]


@pytest.mark.parametrize("index", PATHS)
def test_published_inclusion_proofs(index: int) -> None:
    assert [node.hex() for node in merkle.inclusion_proof(LEAVES, index)] == PATHS[index]


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_published_consistency_proofs(old: int, new: int) -> None:
    assert [node.hex() for node in merkle.consistency_proof(LEAVES[:new], old)] == CONSISTENCY[old, new]


def test_frontier_and_the_auditors_tree_equal_the_definition_for_every_size() -> None:
    frontier, theirs = Frontier(), verify.Tree()
    for size, leaf in enumerate(MANY):
        assert frontier.root() == theirs.root() == ROOT_OF_MANY[size]
        assert Frontier.load(size, frontier.dump()).root() == ROOT_OF_MANY[size]
        frontier.append(leaf)
        theirs.append(leaf)


def test_a_copy_grows_on_its_own() -> None:
    frontier = Frontier()
    frontier.append(MANY[0])
    frontier.copy().append(MANY[1])
    assert (frontier.size, frontier.root()) == (1, ROOT_OF_MANY[1])


def test_a_frontier_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="not the frontier"):
        Frontier.load(3, bytes(32))


def test_every_inclusion_proof_verifies_and_only_for_its_place() -> None:
    for size in range(1, UP_TO):
        for index in range(size):
            proof = merkle.inclusion_proof(MANY[:size], index)
            for claimed in range(size + 1):
                holds = merkle.verify_inclusion(MANY[index], claimed, size, proof, ROOT_OF_MANY[size])
                assert holds == (claimed == index), (size, index, claimed)


def test_every_consistency_proof_verifies_and_only_for_its_pair() -> None:
    for new in range(UP_TO):
        for old in range(new + 1):
            proof = merkle.consistency_proof(MANY[:new], old)
            for claimed in range(new + 1):
                holds = merkle.verify_consistency(claimed, new, ROOT_OF_MANY[claimed], ROOT_OF_MANY[new], proof)
                # The empty tree and the whole are both a prefix without any proof.
                assert holds == (claimed == old or (not proof and claimed in {0, new})), (new, old, claimed)


@st.composite
def _damage(draw: st.DrawFn, proof: list[bytes]) -> list[bytes]:
    damaged = list(proof)
    at = draw(st.integers(0, len(proof) - 1))
    match draw(st.sampled_from(["flip", "drop", "twice", "more", "swap"])):
        case "flip":
            bit = draw(st.integers(0, 255))
            damaged[at] = (int.from_bytes(proof[at]) ^ 1 << bit).to_bytes(32)
        case "drop":
            del damaged[at]
        case "twice":
            damaged.insert(at, proof[at])
        case "more":
            damaged.append(draw(st.binary(min_size=32, max_size=32)))
        case "swap":
            other = draw(st.integers(0, len(proof) - 1))
            damaged[at], damaged[other] = damaged[other], damaged[at]
    return damaged


@given(st.data(), st.integers(2, UP_TO))
def test_a_damaged_inclusion_proof_never_verifies(data: st.DataObject, size: int) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof = merkle.inclusion_proof(MANY[:size], index)
    damaged = data.draw(_damage(proof))
    holds = merkle.verify_inclusion(MANY[index], index, size, damaged, ROOT_OF_MANY[size])
    assert holds == (damaged == proof)


@given(st.data(), st.integers(2, UP_TO))
def test_a_damaged_consistency_proof_never_verifies(data: st.DataObject, new: int) -> None:
    old = data.draw(st.integers(1, new - 1))
    proof = merkle.consistency_proof(MANY[:new], old)
    damaged = data.draw(_damage(proof))
    holds = merkle.verify_consistency(old, new, ROOT_OF_MANY[old], ROOT_OF_MANY[new], damaged)
    assert holds == (damaged == proof)


def test_a_leaf_is_no_node() -> None:
    """Without the prefixes, an entry could be made whose bytes are two hashes: the second preimage of a subtree."""
    assert merkle.leaf_hash(MANY[0] + MANY[1]) != merkle.node_hash(MANY[0], MANY[1])


def test_outside_of_the_tree() -> None:
    with pytest.raises(IndexError):
        merkle.inclusion_proof(MANY, UP_TO)
    with pytest.raises(IndexError):
        merkle.consistency_proof(MANY, UP_TO + 1)
    assert not merkle.verify_inclusion(MANY[0], 0, 0, [], MANY[0])
    assert not merkle.verify_consistency(3, 2, ROOT_OF_MANY[3], ROOT_OF_MANY[2], [])
