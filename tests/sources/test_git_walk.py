"""What one walk of Git through a history says of all commits."""

from __future__ import annotations

import random

from mlflow2prov.sources.git_walk import walked


def test_parents_are_found_as_they_are_one_by_one() -> None:
    chance = random.Random(7)
    names = [b"%040x" % chance.getrandbits(160) for _ in range(2_000)]
    above = [
        chance.sample(range(number), min(number, chance.choice((0, 1, 1, 1, 2, 3))))
        for number in range(2_000)
    ]
    lines = b"".join(
        b" ".join([name, *(names[parent] for parent in parents)]) + b"\n"
        for name, parents in zip(names, above, strict=True)
    )
    found, parents = walked(lines)
    ends = parents.first.tolist()
    assert found == names
    assert [parents.all[ends[it] : ends[it + 1]].tolist() for it in range(2_000)] == above


def test_names_that_begin_alike_are_told_apart() -> None:
    one, two, three = (b"a" * 39 + digit for digit in (b"1", b"2", b"3"))
    found, parents = walked(b"%b\n%b %b\n%b %b %b\n" % (one, two, one, three, one, two))
    assert found == [one, two, three]
    assert parents.first.tolist() == [0, 0, 1, 3] and parents.all.tolist() == [0, 0, 1]


def test_a_history_without_commits_has_no_parents() -> None:
    found, parents = walked(b"")
    assert found == [] and parents.counts().tolist() == []
