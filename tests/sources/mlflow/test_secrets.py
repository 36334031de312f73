"""No credential that a store holds reaches a document, wherever it stands; what merely looks like one stays."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from servers import FileStore

from mlflow2prov import extract
from mlflow2prov.prov.credentials import redaction_sql, without_credentials
from mlflow2prov.sources.mlflow import database
from mlflow2prov.sources.mlflow.parts import Wanted
from mlflow2prov.sources.tables import SOURCE_TABLES, Batches, Kind

SECRET = "s3cret"
FORMS = {
    "https://ada:s3cret@host/x": "https://host/x",
    "https://s3cret@github.com/x": "https://github.com/x",
    "s3://AKIA:s3/cret@bucket/x": "s3://bucket/x",
    "redis://:s3cret@h:6379/0": "redis://h:6379/0",
    r'{"url": "https:\/\/ada:s3cret@h\/x?token=s3cret"}': r'{"url": "https:\/\/h\/x?token=REDACTED"}',
    "https%3A%2F%2Fada%3As3cret%40h%2Fx%40y": "https%3A%2F%2Fh%2Fx%40y",
    "https%3A%2F%2Fh%2Fx%3Fsig%3Ds3cret": "https%3A%2F%2Fh%2Fx%3Fsig%3DREDACTED",
    "git+https://s3cret:x@h/r.git@main": "git+https://h/r.git@main",
    "https://h/x?sv=1&sig=s3cret%2F&se=2": "https://h/x?sv=1&sig=REDACTED&se=2",
    "https://h/?X-Amz-Credential=s3cret/2020&X-Amz-Signature=s3cret": "https://h/?X-Amz-Credential=REDACTED&X-Amz-Signature=REDACTED",
    "https://h/?X-Goog-Signature=s3cret": "https://h/?X-Goog-Signature=REDACTED",
    "https://h/?passphrase=s3cret&private_key=s3cret": "https://h/?passphrase=REDACTED&private_key=REDACTED",
    "data.csv?x=1&sig=s3cret": "data.csv?x=1&sig=REDACTED",
    "jdbc:sqlserver://h;user=sa;password=s3cret;x=1": "jdbc:sqlserver://h;user=sa;password=REDACTED;x=1",
    "Protocol=https;AccountName=x;AccountKey=s3cret==;x=y": "Protocol=https;AccountName=x;AccountKey=REDACTED;x=y",
}
ALIKE = (
    "ada@example.org",
    "git@github.com:team/wine.git",
    "abfss://data@account/x",
    "https://host/%40ada/x%40y?z=%40",
    "https%3A%2F%2Fhost%2Fx%40y",
    "https://h/a?max_tokens=5&keyboard=x&monkey=y&code_version=3&author=x",
    "https://host:5000/#/experiments/1?searchFilter=token",
    "tokens=5; key=3",
    "what is a token? the secret of passwords",
    "s3://b/100%40x/y%2F%2Fz%40q",
)


@pytest.fixture(scope="module")
def redacted() -> Callable[[str], str]:
    connection = duckdb.connect()

    def ask(text: str) -> str:
        sql = f"SELECT {redaction_sql('t')} FROM (SELECT ?::VARCHAR AS t)"
        row = connection.execute(sql, [text]).fetchone()
        assert row is not None
        return str(row[0])

    return ask


@pytest.mark.parametrize("text", FORMS)
def test_a_credential_in_a_url_is_taken_out(text: str, redacted: Callable[[str], str]) -> None:
    for around in ("{}", "see {} now", '{{"source": "{}"}}'):
        told = around.format(text)
        assert redacted(told) == without_credentials(told) == around.format(FORMS[text])


@pytest.mark.parametrize("text", ALIKE)
def test_what_looks_like_a_credential_stays(text: str, redacted: Callable[[str], str]) -> None:
    assert redacted(text) == without_credentials(text) == text


def test_a_secret_in_any_text_of_any_table_stays_out(
    file_store: FileStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    planted: list[str] = []
    read = database.read_database

    def read_planted(uri: str, wanted: Wanted, **_: object) -> Batches:
        for name, batch in read(uri, wanted):
            yield name, _planted(name, batch, planted)

    monkeypatch.setattr(database, "read_database", read_planted)
    with (
        caplog.at_level(logging.DEBUG),
        extract(mlflow_url=f"sqlite:///{file_store.database}", traces=True) as graph,
    ):
        texts = [graph.save(tmp_path / f"it{end}").read_text("utf-8") for end in (".json", ".provn", ".nt")]
    arrived = [mark for mark in planted if any(f"https://{mark}/" in text for text in texts)]
    assert len(arrived) > 50, sorted(set(planted) - set(arrived))
    for text in (*texts, caplog.text):
        assert SECRET not in text


def _planted(table: str, batch: pa.RecordBatch, planted: list[str]) -> pa.RecordBatch:
    """A batch with secrets behind every text, but for the names of MLflow's own tags and words that it knows."""
    columns: list[Any] = []
    for column, kind in SOURCE_TABLES[table].columns.items():
        values: Any = batch.column(column)
        if kind is Kind.TEXT and (column, table) not in _KNOWN and column not in _WORDS:
            mark = f"{_JOINED.get((table, column), table)}-{column}.example".replace("_", "-")
            planted.append(mark)
            url = f" https://ada:{SECRET}@{mark}/?x=1&sig={SECRET}"
            more = pc.binary_join_element_wise(pc.cast(values, pa.string()), url, "")
            own = (
                pc.starts_with(values, "mlflow.")
                if column == "key"
                else pc.is_in(values, pa.array(["{}", ""]))
            )
            values = pc.if_else(own, values, more)
        columns.append(values)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


_WORDS = frozenset({"lifecycle_stage", "type", "source_type"})
"""Columns of words that events ask for."""

_KNOWN = frozenset({("uri", "mlflow_store")})

_REGISTRY = ("", "_tag", "_alias")
_JOINED = {
    ("mlflow_dataset_input", "name"): "mlflow_dataset",
    ("mlflow_dataset_input", "digest"): "mlflow_dataset",
    **{(f"mlflow_registered_model{end}", "name"): "registry" for end in _REGISTRY},
    **{(f"mlflow_model_version{end}", "name"): "registry" for end in _REGISTRY},
}
"""Columns that name what another table names, too."""
