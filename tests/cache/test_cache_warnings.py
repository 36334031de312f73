"""What an extraction with a cache warns of rows of a database, be they read anew or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cache.test_cache import Made
from tests.model.made_stores import run

PARAMS = "1 texts in table params of "
METRICS = "1 texts in table metrics of "
NUMBERS = "1 values in table metrics of "


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    store = Made(tmp_path)
    store.insert(*(row for number in range(20) for row in [run(f"{number:032}")]))
    yield store
    store.connection.close()
    store.store.close()


def give(made: Made, name: str, number: int, key: str, value: str) -> None:
    """Give a run a parameter and a metric, in SQL."""
    owner = f"{number:032}"
    made.sql(f"INSERT INTO params (key, value, run_uuid) VALUES ({key}, {value}, ?)", owner)
    made.sql(
        "INSERT INTO metrics (key, value, timestamp, run_uuid, step, is_nan) "
        f"VALUES ({name}, {value}, 5, ?, 0, 0)",
        owner,
    )


def warned(made: Made, caplog: pytest.LogCaptureFixture, *, cached: bool = True) -> list[str]:
    caplog.clear()
    (made.cached if cached else made.extract)()
    texts = [it.getMessage() for it in caplog.records if it.levelname == "WARNING"]
    return [text.partition(str(made.folder))[0] for text in texts if " in table " in text]


def test_rows_that_are_not_read_anew_are_warned_of_again(
    made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    give(made, "cast(x'ff41' AS TEXT)", 1, "cast(x'ff41' AS TEXT)", "1")
    give(made, "'w'", 2, "'w'", "'none'")
    first = sorted(warned(made, caplog))
    assert first == sorted([PARAMS, METRICS, NUMBERS])
    assert sorted(warned(made, caplog)) == first
    made.insert(run("cd" * 16))
    give(made, "'good'", 3, "'good'", "1")
    assert sorted(warned(made, caplog)) == first
    give(made, "cast(x'ff42' AS TEXT)", 4, "cast(x'ff42' AS TEXT)", "2")
    assert sorted(warned(made, caplog)) == first
    assert sorted(warned(made, caplog)) == first


def test_what_a_whole_reading_does_not_find_is_warned_of_no_more(
    made: Made, caplog: pytest.LogCaptureFixture
) -> None:
    made.sql("UPDATE runs SET name = cast(x'ff41' AS TEXT) WHERE run_uuid = ?", f"{1:032}")
    assert warned(made, caplog) == ["1 texts in table runs of "]
    made.sql("UPDATE runs SET name = 'mended' WHERE run_uuid = ?", f"{1:032}")
    assert warned(made, caplog) == warned(made, caplog, cached=False) == []
