"""Arrow arrays of Python's values, which are made without pandas."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow2prov.sources.columns import column

KINDS = {
    pa.string(): st.text(st.characters(exclude_categories=["Cs"])),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float64(): st.floats(allow_nan=False),
    pa.bool_(): st.booleans(),
    pa.binary(): st.binary(),
}


@pytest.mark.parametrize("kind", KINDS, ids=str)
@settings(deadline=None)
@given(data=st.data())
def test_a_column_is_what_pyarrow_makes_of_the_values(kind: pa.DataType, data: st.DataObject) -> None:
    values: list[Any] = data.draw(st.lists(st.none() | KINDS[kind], max_size=40))
    made = column(values, kind)
    made.validate(full=True)
    assert made.equals(pa.array(values, kind))


def test_a_value_that_is_none_of_the_type_is_refused() -> None:
    with pytest.raises((TypeError, OverflowError)):
        column([2**63], pa.int64())
    with pytest.raises(TypeError):
        column(["x"], pa.float64())


def test_pandas_is_not_imported() -> None:
    program = (
        "import sys; from mlflow2prov.sources.mlflow.server_rows import batch; "
        "batch('mlflow_metric', [('r', 'k', 1, 2, 0.5)]); batch('mlflow_trace_count', [('run', 'r', 3)]); "
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
