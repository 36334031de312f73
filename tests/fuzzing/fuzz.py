"""Feed damaged documents to a reader, and see that it ends with a graph or with one clear error.

    python tests/fuzzing/fuzz.py --format json --minutes 10

Documents are random ones in the format, those of ``--seeds FOLDER`` and what mutating them gives. The
reader works in a process of its own, so that a crash or a hang is seen too; the input that caused one
is kept. Of a format that is a folder, one file of each document is damaged. Exit code 0 says that there
was none, 1 that there was.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import random
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from hypothesis import HealthCheck, Phase, given, settings

from mlflow2prov import formats
from mlflow2prov.errors import Mlflow2ProvError

PATIENCE_S = 30.0
"""A reader that takes longer for one small document hangs."""

MOST_MEMORY_BYTES = 3 * 2**30
LARGEST_BYTES = 60_000

TOKENS = [
    *(b"{", b"}", b"[", b"]", b"(", b")", b"<", b">", b"<!--", b"-->", b'"', b"'", b'"""', b"\\", b"\\u0041", b"@"),
    *(b":", b"::", b"_:", b"prov:", b"ex:", b"xsd:", b"xsd:QName", b"prov:type", b"%%", b"^^", b"-", b",", b";", b"."),
    *(b"null", b"true", b"0", b"-1", b"1e999", b"NaN", b"entity", b"bundle", b"prefix", b"default", b"endBundle"),
    *(b"document", b"endDocument", b"@prefix", b"a", b"GRAPH", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;", b"&#0;"),
    *(b"\x00", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\n", b"\r", b"\t", b" ", b"", b"x" * 2000, b"[" * 300),
]  # fmt: skip


Document = dict[str, bytes]
"""The files of a document by name; that of a format that is one file has the empty name."""


def damaged(document: Document, chance: random.Random, others: list[Document]) -> Document:
    """A document with some damage in one of its files."""
    name = chance.choice(sorted(document))
    same = [other[name] for other in others if name in other]
    return {**document, name: mutated(document[name], chance, same)}


def mutated(raw: bytes, chance: random.Random, others: list[bytes]) -> bytes:
    """The content of a file with some damage."""
    data = bytearray(raw)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        start = chance.randrange(len(data) + 1)
        end = min(len(data), start + chance.choice((0, 1, 1, 2, 8, 40, 400)))
        match chance.randrange(7):
            case 0:
                del data[start:end]
            case 1:
                data[start:end] = chance.choice(TOKENS)
            case 2:
                data[start:start] = data[start:end] * chance.choice((1, 2, 50))
            case 3:
                data[start:end] = chance.randbytes(end - start)
            case 4:
                other = chance.choice(others)
                place = chance.randrange(len(other) + 1)
                data[start:end] = other[place : place + 200]
            case 5:
                del data[start:]
            case _:
                data[start:end] = data[start:end][::-1]
    return bytes(data[:LARGEST_BYTES])


def seeds(name: str, folders: list[Path], examples: int) -> list[Document]:
    """Documents to begin with: random ones, and the files of the format in some folders."""
    from documents import documents, graph_of

    found: list[Document] = []

    @settings(
        max_examples=examples,
        database=None,
        derandomize=True,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(documents())
    def collect(raw: bytes) -> None:
        with graph_of(raw) as graph, tempfile.TemporaryDirectory() as folder:
            try:
                found.append(files_of(graph.save(Path(folder) / "seed", name)))
            except Mlflow2ProvError:
                return

    collect()
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.suffix in formats.FORMATS[name].suffixes and path.is_file():
                found.append(files_of(path))
    return [one for one in found if sum(map(len, one.values())) <= LARGEST_BYTES] or [{"": b""}]


def files_of(path: Path) -> Document:
    """The content of a file, or of the files of a folder."""
    if path.is_file():
        return {"": path.read_bytes()}
    return {one.name: one.read_bytes() for one in path.iterdir()}


def keep(document: Document, path: Path) -> None:
    """Put a document where it can be looked at."""
    if "" in document:
        path.write_bytes(document[""])
        return
    path.mkdir(exist_ok=True)
    for name, raw in document.items():
        (path / name).write_bytes(raw)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of the fuzzer saw."""

    tried: int
    read: int
    failure: str | None


def read_quietly(document: Document, name: str, path: Path) -> bool:
    """Read a document, which also stands at ``path``; false where the reader says what is wrong with it."""
    raw = document.get("")
    try:
        with (
            formats.read(path, name)
            if raw is None
            else formats.read_from(io.BytesIO(raw), f"fuzzed.{name}", name)
        ):
            return True
    except Mlflow2ProvError as error:
        if not str(error).strip() or "\n" in str(error).strip():
            raise AssertionError(f"the error is not one sentence: {error!r}") from error
        return False


def work(
    name: str, folders: list[Path], seconds: float, seed: int, examples: int, current: Path, pipe
) -> None:  # type: ignore[no-untyped-def]
    """The child's part: mutate and read until the time is over, or something goes wrong."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES * 4, MOST_MEMORY_BYTES * 4))
    warnings.simplefilter("ignore")
    chance = random.Random(seed)
    pool = seeds(name, folders, examples)
    end, tried, read = time.monotonic() + seconds, 0, 0
    while time.monotonic() < end:
        document = damaged(chance.choice(pool), chance, pool)
        keep(document, current)
        try:
            is_read = read_quietly(document, name, current)
        except BaseException:
            pipe.send((tried, read, traceback.format_exc()))
            return
        tried, read = tried + 1, read + is_read
        if is_read and len(pool) < 2000 and chance.random() < 0.1:
            pool.append(document)
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > MOST_MEMORY_BYTES:
            pipe.send((tried, read, f"more than {MOST_MEMORY_BYTES / 2**30:.0f} GiB of memory are in use"))
            return
        pipe.send((tried, read, None))
    pipe.send((tried, read, ""))


def fuzz(
    name: str, seconds: float, folders: list[Path], current: Path, seed: int = 1, examples: int = 40
) -> Outcome:
    """Fuzz one reader for some seconds, from so many random examples; ``current`` is where the input is kept."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=work, args=(name, folders, seconds, seed, examples, current, theirs))
    child.start()
    theirs.close()
    tried = read = 0
    patience = PATIENCE_S + 300  # the first message comes after the seeds are made
    try:
        while True:
            if not ours.poll(patience):
                return Outcome(tried, read, f"it hangs for more than {patience:.0f} s")
            try:
                tried, read, failure = ours.recv()
            except EOFError:
                child.join()
                return Outcome(tried, read, f"it crashed the process (exit code {child.exitcode})")
            if failure is not None:
                return Outcome(tried, read, failure or None)
            patience = PATIENCE_S
    finally:
        child.kill()
        child.join()


def main(say: Callable[[str], object] = print) -> int:
    """Fuzz as the arguments say."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--format", choices=formats.readable(), required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seeds", type=Path, action="append", default=[])
    parser.add_argument("--seed", type=int, default=1, help="of the random numbers")
    given_ = parser.parse_args()
    current = Path(f"fuzzed.{given_.format}")
    outcome = fuzz(given_.format, given_.minutes * 60, given_.seeds, current, given_.seed)
    say(f"{given_.format}: {outcome.tried:,} documents, {outcome.read:,} of them read, the others refused")
    if outcome.failure:
        say(f"FAILED, the input is in {current}:\n{outcome.failure}")
        return 1
    if current.is_dir():
        shutil.rmtree(current)
    current.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
