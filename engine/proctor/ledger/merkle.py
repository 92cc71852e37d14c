"""The Merkle tree of RFC 6962 section 2.1: hashes, a frontier that grows by one leaf, and both kinds of proof."""

import hashlib
from collections.abc import Sequence
from typing import Final, Self

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256().digest()


def leaf_hash(record: bytes) -> bytes:
    """Return the hash of one entry: the prefix 0x00 keeps it apart from inner nodes."""
    return hashlib.sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """The roots of the complete subtrees of a tree, largest first: all that is needed to append and to get the root.

    A tree of n leaves has as many as n has one-bits.
    """

    __slots__ = ("_roots", "size")

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    @classmethod
    def load(cls, size: int, stored: bytes) -> Self:
        """Restore what `dump` returned for a tree of `size` leaves; raise `ValueError` when it can't be of one."""
        if len(stored) != HASH_BYTES * size.bit_count():
            raise ValueError(f"{len(stored)} bytes are not the frontier of a tree with {size} leaves")
        frontier = cls()
        frontier.size = size
        frontier._roots = [stored[at : at + HASH_BYTES] for at in range(0, len(stored), HASH_BYTES)]
        return frontier

    def dump(self) -> bytes:
        """Return the subtree roots, one after the other."""
        return b"".join(self._roots)

    def copy(self) -> Self:
        """Return a frontier that grows on its own."""
        return self.load(self.size, self.dump())

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        roots, full = self._roots, self.size
        while full & 1:  # as many equal neighbours as the size has trailing one-bits
            leaf = node_hash(roots.pop(), leaf)
            full >>= 1
        roots.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Return the root of the tree so far."""
        if not self._roots:
            return EMPTY_ROOT
        root = self._roots[-1]
        for left in reversed(self._roots[:-1]):
            root = node_hash(left, root)
        return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Return the root over leaf hashes."""
    frontier = Frontier()
    for leaf in leaves:
        frontier.append(leaf)
    return frontier.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Return the audit path of the leaf at `index` (RFC 6962 section 2.1.1), deepest first.

    Takes all leaf hashes, so it costs O(n). Raises `IndexError` outside of the tree.
    """
    if not 0 <= index < len(leaves):
        raise IndexError(f"no leaf {index} in a tree of {len(leaves)}")
    if len(leaves) == 1:
        return []
    split = _split(len(leaves))
    if index < split:
        return [*inclusion_proof(leaves[:split], index), root_of(leaves[split:])]
    return [*inclusion_proof(leaves[split:], index - split), root_of(leaves[:split])]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Tell whether `proof` shows that `leaf` is at `index` of the tree with `size` leaves and this root."""
    if not 0 <= index < size:
        return False
    found, last, rest = leaf, size - 1, list(proof)
    while last:
        if index & 1 or index < last:
            if not rest:
                return False
            sibling = rest.pop(0)
            found = node_hash(sibling, found) if index & 1 else node_hash(found, sibling)
        # A node that is the last of an even position has no sibling and moves up unchanged.
        index, last = index >> 1, last >> 1
    return not rest and found == root


def consistency_proof(leaves: Sequence[bytes], size: int) -> list[bytes]:
    """Return the proof that the tree of the first `size` leaves is a prefix of the whole (RFC 6962 section 2.1.2).

    Empty where `size` is 0 or the whole. Raises `IndexError` for a size beyond it.
    """
    if not 0 <= size <= len(leaves):
        raise IndexError(f"a tree of {len(leaves)} has no prefix of {size}")
    return [] if size == 0 else _subproof(leaves, size, whole=True)


def _subproof(leaves: Sequence[bytes], size: int, *, whole: bool) -> list[bytes]:
    if size == len(leaves):
        return [] if whole else [root_of(leaves)]
    split = _split(len(leaves))
    if size <= split:
        return [*_subproof(leaves[:split], size, whole=whole), root_of(leaves[split:])]
    return [*_subproof(leaves[split:], size - split, whole=False), root_of(leaves[:split])]


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Tell whether `proof` shows that the tree (`old`, `old_root`) is a prefix of (`new`, `new_root`).

    Follows RFC 9162 section 2.1.4.2, which spells out the verification of RFC 6962's proofs.
    """
    if old in {0, new}:
        return 0 <= old <= new and not proof and (old_root == new_root if old else old_root == EMPTY_ROOT)
    if not 0 < old < new:
        return False
    rest = list(proof)
    if old.bit_count() == 1:  # the old root is a node of the new tree, so the proof leaves it out
        rest.insert(0, old_root)
    if not rest:
        return False
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    found_old = found_new = rest.pop(0)
    for node in rest:
        if last == 0:
            return False
        if position & 1 or position == last:
            found_old, found_new = node_hash(node, found_old), node_hash(node, found_new)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            found_new = node_hash(found_new, node)
        position, last = position >> 1, last >> 1
    return last == 0 and found_old == old_root and found_new == new_root


def _split(size: int) -> int:
    """Return the largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1
