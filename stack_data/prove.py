"""Proofs that a release holds a content, a repository or an owner's repositories, or that it does not.

Reads manifest.json and the folder `merkle` of a release, writes nothing. A proof is plain JSON that is checked with the
manifest and SHA-256 alone: a leaf with its inclusion path shows presence; the two adjacent leaves between which the
query would stand, or the first or last leaf, show absence, because leaves are sorted. All names of an owner begin with
`host/owner/`, so they stand together and the same two leaves prove that there is none, or how many there are.
Not covered: that a release is sorted throughout (`Tree.problems` reads all of it), and what left a release after it was
published: a neighbour that left proves nothing, and then no proof is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack_data import manifest, storage
from stack_data.errors import InputError
from stack_data.identity import fold_name
from stack_data.merkle import Head, Tree, leaf_hash, open_contents, open_names, verify_inclusion
from stack_data.merkle_leaves import damaged

FORMAT = "fairstack-proof/1"
MOST_LISTED = 100
"""Repositories of an owner that a proof lists one by one; their number is proven whatever it is."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of which tree. key: the leaf's bytes, or what the leaves of an owner begin with."""

    tree: str
    text: str
    key: bytes

    @property
    def of_owner(self) -> bool:
        """Tell whether all leaves that begin with the key are meant."""
        return self.tree == "names" and self.text.endswith("/")


@dataclass(frozen=True, slots=True)
class Answer:
    """claim: present or absent; indices: the leaves that show it, ascending; count: an owner's leaves, when proven."""

    question: Question
    claim: str
    indices: tuple[int, ...]
    count: int | None = None


def prove(release: Path, query: str) -> dict[str, Any]:
    """Return the proof for a content id, `host/owner` or `host/owner/repo`, as JSON values.

    release: folder of a release. `host/group/subgroup/*` asks for an owner whose name holds slashes. Raises InputError
    for another query, a damaged release, and one that can prove nothing because a neighbour of the query left it.
    """
    question = read_question(query)
    version, heads = _heads(release)
    folder = release / "merkle"
    with open_contents(folder) if question.tree == "contents" else open_names(folder) as tree:
        head = _checked(folder, tree, question.tree, heads)
        answer = _answer(tree, question, version)
        proof = {
            "format": FORMAT, "tree": question.tree, "claim": answer.claim, "query": answer.question.text,
            "size": head.size, "root": head.root, "leaves": _leaves(tree, head, question.tree, answer.indices),
            "release": {"version": version, "identity": storage.sha256_file(release / "manifest.json")},
        }  # fmt: skip
    if answer.question.of_owner and answer.claim == "present":
        # Null when a leaf next to the owner's left this release: it may have been another of them.
        proof["count"] = answer.count
    return proof


def read_question(query: str) -> Question:
    """Return what a query asks; InputError when it is neither a whole content id nor a name with its host."""
    text = query.strip().removeprefix("swh:1:cnt:")
    if re.fullmatch(r"[0-9a-fA-F]{40}", text):
        return Question("contents", text.lower(), bytes.fromhex(text))
    if re.fullmatch(r"[0-9a-fA-F]+", text):
        raise InputError(f"{query!r} has {len(text)} hex digits and a content id has 40: give the whole id")
    name = fold_name(re.sub(r"^https?://", "", text)).rstrip("/")
    parts = name.removesuffix("/*").split("/")
    if len(parts) < 2 or not all(parts) or re.search("[\ud800-\udfff]", name):
        raise InputError(
            f"{query!r} is no content id (40 hex digits) and no host/owner or host/owner/repo, such as github.com/octocat"
        )
    return _owner(parts) if len(parts) == 2 or name.endswith("/*") else Question("names", name, name.encode())


def _owner(parts: Sequence[str]) -> Question:
    prefix = "/".join([*parts, ""])
    return Question("names", prefix, prefix.encode())


def _heads(release: Path) -> tuple[str, Mapping[str, Any]]:
    """Return a release's version and what its manifest says of its trees."""
    made = manifest.read(release / "manifest.json")
    kind = str(made.plan.get("kind"))
    if not kind.startswith("release/"):
        raise InputError(f"{release} is no release but {kind}; name a folder of a build's `releases`")
    if "merkle" not in made.counts:
        raise InputError(
            f"{release} was made without Merkle trees, so it proves nothing; make a new release of its build"
        )
    return kind.removeprefix("release/"), made.counts["merkle"]


def _checked(folder: Path, tree: Tree, name: str, heads: Mapping[str, Any]) -> Head:
    """Return size and root of a tree; InputError unless they are those of the manifest."""
    head, stated = tree.head(), heads.get(name)
    if stated != {"size": head.size, "root": head.root}:
        raise InputError(
            f"{folder / name}: {head.size} leaves with root {head.root} are not what manifest.json states ({stated}); "
            "this copy of the release is damaged, get it again"
        )
    return head


def _answer(tree: Tree, question: Question, version: str) -> Answer:
    found = _present(tree, question)
    if found is None and question.tree == "names" and not question.of_owner:
        # A group within a group reads like a repository: that there is no such repository would be true and misleading.
        found = _owner_present(tree, _owner(question.text.split("/")))
    return found or _absent(tree, question, version)


def _present(tree: Tree, question: Question) -> Answer | None:
    if question.of_owner:
        return _owner_present(tree, question)
    _, at = tree.leaves.neighbours(question.key)
    found = at < tree.leaves.size and tree.leaves.texts(at, at + 1) == [question.key]
    return Answer(question, "present", (at,)) if found else None


def _owner_present(tree: Tree, question: Question) -> Answer | None:
    """Return the owner's first leaves, the last one, and the leaves around them, which prove how many there are."""
    below, first, last, above = _run(tree, question)
    if first > last:
        return None
    listed = enumerate(tree.leaves.texts(first, min(last + 1, first + MOST_LISTED)), first)
    members = {index for index, text in listed if text is not None} | {last}
    if first - below != 1 or above - last != 1:
        return Answer(question, "present", tuple(sorted(members)))
    around = {index for index in (below, above) if 0 <= index < tree.leaves.size}
    return Answer(question, "present", tuple(sorted(members | around)), last - first + 1)


def _run(tree: Tree, question: Question) -> tuple[int, int, int, int]:
    """Return the leaves around an owner's: the last below, the owner's first and last, the first above."""
    below, first = tree.leaves.neighbours(question.key)
    # '0' follows '/': every leaf that begins with the prefix is below this, every other one above the prefix is not.
    last, above = tree.leaves.neighbours(question.key[:-1] + b"0")
    return below, first, last, above


def _absent(tree: Tree, question: Question, version: str) -> Answer:
    """Return the two leaves between which the question would stand, of which one is missing at either end."""
    below, above = tree.leaves.neighbours(question.key)
    if above - below != 1:
        raise InputError(
            f"release {version} can prove neither presence nor absence of {question.text!r}: a name at its place in the "
            "sorted list has left this release and only its hash is kept; ask a later release"
        )
    return Answer(question, "absent", tuple(index for index in (below, above) if 0 <= index < tree.leaves.size))


def _leaves(tree: Tree, head: Head, name: str, indices: Iterable[int]) -> list[dict[str, Any]]:
    """Return leaves with their inclusion paths, each verified, so that a damaged file gives an error and no proof."""
    found = []
    for index in indices:
        leaf, path = tree.leaves.texts(index, index + 1)[0], tree.inclusion(index)
        if leaf is None or not verify_inclusion(bytes.fromhex(head.root), head.size, index, leaf_hash(leaf), path):
            raise damaged(tree.leaves.path)
        text = leaf.hex() if name == "contents" else leaf.decode()
        found.append({"index": index, "leaf": text, "path": [step.hex() for step in path]})
    return found
