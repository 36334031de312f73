"""How large the inputs of a run are."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One size of all inputs.

    Attributes:
        name: on the command line.
        changes: of the repository of very many.
        commits: of the large repository; ten times those of the small one.
        runs: of the store that becomes a graph in a file.
        json_runs: of the store that becomes PROV-JSON.
        file_runs: of the file store.
        server_runs: of the store that a server is read over.
        ways_runs: of the stores that are read by every way in, the smaller one first.
        records: that the ``prov`` library is compared on.
        points: metric points of the store that becomes Parquet.
        relations: of the graph that lineage is asked of.
        pushed: records that are pushed into databases.
        library_records: that the ``prov`` library writes and reads in each format.
        repeats: of what takes seconds; the best one counts.
        is_judged: whether the limits are meant for this size.
    """

    name: str
    changes: int
    commits: int
    runs: int
    json_runs: int
    file_runs: int
    server_runs: int
    ways_runs: tuple[int, int]
    records: int
    points: int
    relations: int
    pushed: int
    library_records: int
    repeats: int
    is_judged: bool = False


SIZES: dict[str, Size] = {
    size.name: size
    for size in (
        Size(
            name="full",
            changes=1_000_000,
            commits=20_000,
            runs=20_000,
            json_runs=5_000,
            file_runs=2_000,
            server_runs=500,
            ways_runs=(2_000, 20_000),
            records=1_000_000,
            points=20_000_000,
            relations=10_000_000,
            pushed=200_000,
            library_records=20_000,
            repeats=3,
            is_judged=True,
        ),
        Size(
            name="quick",
            changes=50_000,
            commits=2_000,
            runs=1_000,
            json_runs=500,
            file_runs=500,
            server_runs=200,
            ways_runs=(100, 500),
            records=100_000,
            points=200_000,
            relations=1_000_000,
            pushed=20_000,
            library_records=5_000,
            repeats=3,
        ),
        Size(
            name="smoke",
            changes=1_000,
            commits=100,
            runs=20,
            json_runs=10,
            file_runs=5,
            server_runs=5,
            ways_runs=(10, 20),
            records=2_000,
            points=20_000,
            relations=10_000,
            pushed=1_000,
            library_records=500,
            repeats=1,
        ),
    )
}
"""Every size by its name."""
