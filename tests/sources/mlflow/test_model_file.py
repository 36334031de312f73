"""What MLmodel files say, also those that mean harm."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mlflow2prov.sources.mlflow.model_file import MOST_BYTES, ModelFile, parse_model_file, to_batch
from mlflow2prov.sources.tables import SOURCE_TABLES

REAL = b"""artifact_path: model
flavors:
  sklearn:
    code: null
    pickled_model: model.pkl
  python_function:
    env: {conda: conda.yaml, virtualenv: python_env.yaml}
    python_version: 3.10.13
mlflow_version: 3.17.2
model_size_bytes: 1234
model_uuid: 5b0e9adcef9c4465047574b1f5a4f278
run_id: abc
signature:
  inputs: '[{"type": "double", "name": "x"}]'
  outputs: '[{"type": "long"}]'
  params: null
utc_time_created: '2024-02-29 23:59:58.123999'
"""


def parse(
    mlmodel: str | bytes,
    *,
    requirements: bytes | None = None,
    python_env: bytes | None = None,
    conda: bytes | None = None,
) -> ModelFile | None:
    content = mlmodel.encode() if isinstance(mlmodel, str) else mlmodel
    return parse_model_file(content, requirements=requirements, python_env=python_env, conda=conda)


def parsed(mlmodel: str | bytes = "flavors: {}", **beside: bytes) -> ModelFile:
    found = parse(mlmodel, **beside)
    assert found is not None
    return found


def test_a_file_as_mlflow_writes_it_is_read() -> None:
    moment = datetime(2024, 2, 29, 23, 59, 58, 123_999, UTC)
    assert parsed(REAL) == ModelFile(
        flavors=("python_function", "sklearn"),
        signature_inputs='[{"type": "double", "name": "x"}]',
        signature_outputs='[{"type": "long"}]',
        model_uuid="5b0e9adcef9c4465047574b1f5a4f278",
        mlflow_version="3.17.2",
        created_ms=int(moment.timestamp()) * 1000 + 123,
        python_version="3.10.13",
        requirements=None,
    )


def test_what_a_file_does_not_say_is_none() -> None:
    assert parsed("{}") == ModelFile(flavors=())
    assert parsed("signature: null\nflavors: null\nmodel_uuid: ''\nutc_time_created: soon") == ModelFile(
        flavors=()
    )
    assert parsed("signature: {inputs: null}\nmodel_uuid: [a]\nmlflow_version: true") == ModelFile(flavors=())


def test_scalars_are_taken_as_they_are_written() -> None:
    found = parsed(
        "model_uuid: 12345678\nmlflow_version: 3.10\nflavors: {python_function: {python_version: 3.10}}"
    )
    assert (found.model_uuid, found.mlflow_version, found.python_version) == ("12345678", "3.10", "3.10")
    assert parsed("model_uuid: 1e5").model_uuid == "1e5"
    assert parsed("mlflow_version: 2024-01-01").mlflow_version == "2024-01-01"


@pytest.mark.parametrize(
    ("text", "created_ms"),
    [
        ("1970-01-01 00:00:01", 1000),
        ("1970-01-01 00:00:01.5", 1500),
        ("1969-12-31 23:59:59.999999", -1),
        ("'1970-01-01T01:00:00+01:00'", 0),
        ("2024-13-01 00:00:00", None),
        ("12", None),
    ],
)
def test_the_time_is_utc_in_whole_milliseconds(text: str, created_ms: int | None) -> None:
    assert parsed(f"utc_time_created: {text}").created_ms == created_ms


def test_a_signature_that_is_a_structure_becomes_json() -> None:
    found = parsed("signature: {inputs: [{type: double, name: x, shape: [-1, 2], ok: true}], outputs: 5}")
    assert found.signature_inputs is not None
    assert json.loads(found.signature_inputs) == [
        {"type": "double", "name": "x", "shape": [-1, 2], "ok": True}
    ]
    assert found.signature_inputs.index("name") < found.signature_inputs.index("type")
    assert found.signature_outputs == "5"


def test_the_python_version_is_that_of_the_first_file_that_tells() -> None:
    python_env = b"python: 3.9.1\nbuild_dependencies: [pip]\n"
    conda = b"dependencies: [python=3.8.2, pip]"
    flavor = "flavors: {python_function: {python_version: 3.10.13}}"
    assert parsed(flavor, python_env=python_env, conda=conda).python_version == "3.10.13"
    assert parsed(python_env=python_env, conda=conda).python_version == "3.9.1"
    assert parsed(conda=conda).python_version == "3.8.2"
    assert parsed(python_env=b"[", conda=conda).python_version == "3.8.2"
    assert parsed(conda=b"dependencies: [python>=3.8]").python_version is None


def test_requirements_are_stripped_distinct_sorted_and_without_options() -> None:
    content = b"""\xef\xbb\xbf# made by hand
-r base.txt
-c limits.txt
--index-url https://user:secret@host/simple
  numpy==1.26.4   # pinned

scikit-learn>=1.4 ; python_version >= "3.9"\r
numpy==1.26.4
pandas==2.2 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
tool @ git+https://host/tool.git#egg=tool
caf\xe9
"""
    assert parsed(requirements=content).requirements == (
        "caf\\xe9",
        "numpy==1.26.4",
        "pandas==2.2",
        'scikit-learn>=1.4 ; python_version >= "3.9"',
        "tool @ git+https://host/tool.git#egg=tool",
    )


def test_requirements_come_from_conda_where_there_is_no_file_of_them() -> None:
    conda = b"""
channels: [conda-forge]
dependencies:
- python=3.10.13
- pip<=23
- pip:
  - numpy==1.26.4
  - -r more.txt
- {other: [x]}
- 5
"""
    expected = ("5", "numpy==1.26.4", "pip<=23", "python=3.10.13")
    assert parsed(conda=conda).requirements == expected
    assert parsed(conda=conda, requirements=b"").requirements == ()
    assert parsed(conda=b"name: x").requirements is None
    assert parsed(conda=b"dependencies: {a: b}").requirements is None
    assert parsed(conda=b"- [").requirements is None
    assert parsed().requirements is None


# ---- Harm --------------------------------------------------------------------------------------

_MANY = "\n".join(
    f"{'abcdefghij'[i]}: &{'abcdefghij'[i]} [{', '.join(['*' + 'abcdefghij'[i - 1]] * 10)}]"
    for i in range(1, 10)
)
LAUGHS = f"a: &a [ha, ha, ha]\n{_MANY}\nsignature: {{inputs: *j}}\n"
MERGES = "a: &a {x: 1, y: 2}\n" + "\n".join(
    f"{name}: &{name}\n  <<: [{', '.join(['*' + before] * 10)}]"
    for before, name in zip("abcdefghijk", "bcdefghijkl", strict=True)
)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"just text",
        b"[a, b]",
        b"a: b: c",
        b"a: [",
        b"a: *nothing",
        b"{a: 1}\n---\n{b: 2}",
        b"\x80\xff",
        b"a: \x07",
        b"a: !!python/object/apply:os.system [exit]",
        b"a: !!timestamp soon",
        b"a: !!int 0x",
        b"a: !!float x",
        b"? [a, b]\n: c",
        b"a: !!int " + b"9" * 10_000,
        b"[" * 1_000_000,
        b"- " * 1_000_000,
        b"{a: " * 1_000_000,
        b"a: " + b"[" * 100 + b"]" * 100,
        b"{a: 1}" + b" " * MOST_BYTES,
        b"- a\n" * 600_000,
    ],
    ids=lambda content: repr(content[:12]),
)
def test_what_is_broken_or_hostile_is_no_model_file(content: bytes) -> None:
    before = time.process_time()
    assert parse(content) is None
    assert time.process_time() - before < 20
    beside = parsed(requirements=None, python_env=content, conda=content)
    assert beside.python_version is None


def test_aliases_that_multiply_do_no_harm() -> None:
    assert parsed(LAUGHS).signature_inputs is None
    assert parsed("a: &a [*a]\nsignature: {inputs: *a}").signature_inputs is None
    assert parsed(MERGES).flavors == ()
    assert parse(MERGES.replace("<<:", "!!merge '<<':")) is None


def test_a_plain_alias_is_followed() -> None:
    assert parsed("a: &v 3.9.1\nflavors: {python_function: {python_version: *v}}").python_version == "3.9.1"


def test_text_never_holds_a_lone_surrogate_or_a_control_character() -> None:
    found = parsed('model_uuid: "a\\0b\\x07"\nflavors: {"\\x01": {}}')
    assert (found.model_uuid, found.flavors) == ("a\\x00b\\x07", ("\\x01",))
    found = parsed(r'signature: {inputs: ["\ud800"]}' if parse(r'a: "\ud800"') else "{}")
    assert "\ud800" not in (found.signature_inputs or "")


@settings(deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_no_content_is_too_much(content: bytes) -> None:
    parse(content, requirements=content, python_env=content, conda=content)
    found = parsed(requirements=content, python_env=content, conda=content)
    assert to_batch([("run", "r", "", None, found)]).num_rows == 1


_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.text(st.characters(exclude_categories=["C"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc"), inner, max_size=3),
    max_leaves=10,
)


@settings(deadline=None)
@given(_JSON.filter(lambda value: isinstance(value, list | dict)))
def test_a_structure_survives_as_json(value: object) -> None:
    text = yaml.safe_dump({"signature": {"inputs": value}}, allow_unicode=True)
    assert json.loads(parsed(text).signature_inputs or "") == value


def test_a_batch_has_the_columns_of_the_source_table() -> None:
    batch = to_batch(
        [("run", "r1", "a/model", None, parsed(REAL)), ("logged_model", "m1", "", None, parsed("{}"))]
    )
    assert batch.schema.equals(SOURCE_TABLES["mlflow_model_file"].schema())
    first, second = batch.to_pylist()
    assert (first["path"], first["flavors"]) == ("a/model", ["python_function", "sklearn"])
    assert (second["owner_id"], second["flavors"], second["requirements"]) == ("m1", [], None)
    assert to_batch([]).num_rows == 0
