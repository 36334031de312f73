"""The file that a run names is found in the tree of its own commit, or not at all."""

from __future__ import annotations

import logging
import unicodedata
from pathlib import Path

import pytest
from git_maker import Repository, picked, read

FILES = {
    "train.py": "1",
    "src/train.py": "2",
    "src/deep/fit.py": "3",
    "src/fit_all.py": "4",
    "other/fit_all.py": "5",
    "only/here/one.py": "6",
    "MLproject": "7",
    "sub/folder/MLproject": "8",
    "a#b.py": "9",
    "lib/tool.py": ("160000", "1" * 40),
    "Ünï cödé.py": "10",
    "runs/__main__.py": "11",
}

CASES: list[tuple[str, int, str | None]] = [
    ("train.py", 1, "train.py"),
    ("./train.py", 1, "train.py"),
    ("src//./deep/../train.py", 1, "src/train.py"),
    ("one.py", 1, "only/here/one.py"),
    ("here/one.py", 1, "only/here/one.py"),
    ("ere/one.py", 0, None),
    ("fit_all.py", 2, None),
    ("../fit_all.py", 2, None),
    ("../one.py", 1, "only/here/one.py"),
    ("../train.py", 2, None),
    ("wine/src/deep/fit.py", 1, "src/deep/fit.py"),
    ("/elsewhere/src/deep/fit.py", 1, "src/deep/fit.py"),
    ("/elsewhere/wine/src/train.py", 2, None),
    ("/elsewhere/wine/train.py", 1, "train.py"),
    ("/elsewhere/one.py", 0, None),
    ("C:\\wine\\src\\deep\\fit.py", 1, "src/deep/fit.py"),
    ("src\\deep\\fit.py", 1, "src/deep/fit.py"),
    ("{root}/src/train.py", 1, "src/train.py"),
    ("file://{root}/src/train.py", 1, "src/train.py"),
    ("{root}/scratch/train.py", 0, None),
    ("{root}", 1, "MLproject"),
    ("{root}#sub/folder", 1, "sub/folder/MLproject"),
    ("{root}/sub#folder", 1, "sub/folder/MLproject"),
    ("file://{root}#sub/folder", 1, "sub/folder/MLproject"),
    ("{root}/src/file:{root}#sub/folder", 1, "sub/folder/MLproject"),
    ("C:\\Users\\ada\\file:\\C:\\wine#sub\\folder", 1, "sub/folder/MLproject"),
    ("https://example.org/wine.git#sub/folder", 1, "sub/folder/MLproject"),
    ("https://example.org/wine.git#none", 0, None),
    ("file://C:\\wine#sub\\folder", 1, "sub/folder/MLproject"),
    ("https://example.org/wine.git#sub%2Ffolder", 1, "sub/folder/MLproject"),
    ("git@example.org:wine.git", 1, "MLproject"),
    ("sub/folder", 1, "sub/folder/MLproject"),
    ("a#b.py", 1, "a#b.py"),
    ("Ünï cödé.py", 1, "Ünï cödé.py"),
    (unicodedata.normalize("NFD", "Ünï cödé.py"), 1, "Ünï cödé.py"),
    ("lib/tool.py", 0, None),
    ("runs/", 1, "runs/__main__.py"),
    ("{root}/runs", 1, "runs/__main__.py"),
    ("tool.py", 0, None),
    ("/opt/lib/ipykernel_launcher.py", 0, None),
    ("", 0, None),
    ("/", 0, None),
    ("..", 0, None),
    ("-c", 0, None),
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, str]:
    made = Repository(tmp_path_factory.mktemp("made") / "r")
    return made, made.commit(FILES)  # type: ignore[arg-type]


def test_a_source_is_the_one_file_that_it_can_mean(repository: tuple[Repository, str]) -> None:
    made, sha = repository
    sources = [source.replace("{root}", str(made.path)) for source, _, _ in CASES]
    rows = made.read(entry_points=[(sha, source) for source in sources])["git_entry_point"]
    found = {row["source"]: (row["candidates"], row["path"]) for row in rows}
    assert found == {
        source: (candidates, path) for source, (_, candidates, path) in zip(sources, CASES, strict=True)
    }
    assert len(rows) == len(CASES)
    assert all(row["revision_commit"] == (sha if row["path"] else None) for row in rows)
    assert {row["commit"] for row in rows} == {sha}


def test_a_source_in_a_linked_work_tree_is_in_the_repository(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    sha = made.commit({"train.py": "1", "a/train.py": "2"})
    made.git("worktree", "add", "-q", "--detach", str(tmp_path / "r" / "trees" / "x"))
    source = str(tmp_path / "r" / "trees" / "x" / "a" / "train.py")
    rows = made.read(entry_points=[(sha, source)])["git_entry_point"]
    assert picked(rows, "candidates", "path") == [(1, "a/train.py")]


def test_the_revision_is_that_of_the_runs_commit_and_its_own_ancestors(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    one = made.commit({"a/train.py": "1"})
    two = made.commit({"a/train.py": "2"}, one)
    side = made.commit({"a/train.py": "1", "b": "b"}, one, branch="side")
    moved = made.commit({"b/train.py": "2"}, two)
    wanted = [(sha, "train.py") for sha in (one, two, side, moved)]
    wanted += [(moved, "a/train.py"), (moved, "train.py")]
    rows = made.read(entry_points=wanted)["git_entry_point"]
    assert picked(rows, "commit", "path", "revision_commit", source="train.py") == sorted(
        [
            (one, "a/train.py", one),
            (two, "a/train.py", two),
            (side, "a/train.py", one),
            (moved, "b/train.py", moved),
        ]
    )
    assert picked(rows, "candidates", source="a/train.py") == [0]


def test_a_commit_that_no_branch_reaches_any_more_is_read_if_it_is_there(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = Repository(tmp_path / "r")
    one = made.commit({"train.py": "1"})
    lost = made.commit({"train.py": "2"}, one, branch=None)
    rebased = made.commit({"train.py": "3"}, lost, branch=None)
    made.git("tag", "-a", "-m", "m", "v1", one)
    tag = made.git("rev-parse", "v1")
    wanted = [(sha, "train.py") for sha in (rebased, rebased[:12], "0" * 40, tag, rebased.upper())]
    with caplog.at_level(logging.INFO):
        rows = made.read(entry_points=[*wanted, (one, "\ud800")])
    assert picked(rows["git_commit"], "commit") == sorted([one, lost, rebased])
    assert picked(rows["git_entry_point"], "commit", "revision_commit") == [(rebased, rebased)]
    assert any(record.getMessage().startswith("4 of 5 ") for record in caplog.records)
    assert len(made.read()["git_commit"]) == 1


def test_a_commit_of_which_the_history_is_gone_does_no_harm(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    one = made.commit({"train.py": "1"})
    lost = made.commit({"train.py": "2"}, one, branch=None)
    broken = made.commit({"train.py": "3"}, lost, branch=None)
    other = made.commit({"train.py": "4"}, one, branch=None)
    (made.path / ".git" / "objects" / lost[:2] / lost[2:]).unlink()
    rows = made.read(entry_points=[(broken, "train.py"), (other, "train.py")])
    assert picked(rows["git_entry_point"], "commit") == [other]
    assert picked(rows["git_commit"], "commit") == sorted([one, other])


def test_a_path_that_is_no_text_is_found_by_nothing_but_does_no_harm(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    sha = made.commit({b"x/caf\xe9.py": "1", b"x/tab\x01.py": "2"})
    rows = read(made.path, entry_points=[(sha, "caf\\xe9.py"), (sha, "tab\x01.py")])["git_entry_point"]
    assert picked(rows, "candidates", source="caf\\xe9.py") == [0]
    assert picked(rows, "path", "path_bytes", source="tab\x01.py") == [("x/tab\\x01.py", b"x/tab\x01.py")]


PROJECT = """name: wine
entry_points:
  main:
    command: "python train.py {alpha} --config conf.yaml"
  module:
    command: python -m wine.fit --alpha {alpha}
  launched: {command: "OMP_NUM_THREADS=1 torchrun --nproc 4 ../tools/run.py"}
  moved: {command: "cd deep && bash ./all.sh"}
  both: {command: "python train.py && python wine/fit.py"}
  none: {command: "echo {alpha}"}
  split: {command: "python \\\\\\n train.py"}
  broken: {command: "python 'train.py"}
  launched_module: {command: "accelerate launch --num_processes {n} -m wine.fit {alpha}"}
  moved_module: {command: "cd deep; python -m fit"}
  launcher_folder: {command: "uv run --directory wine -- python fit.py {alpha}"}
  profiled: {command: "python -m cProfile -o out.prof train.py --conf deep/all.sh"}
  installed: {command: "pip install -r requirements.txt && python -m pip list; python train.py"}
  twice: {command: "python train.py --lr {lr} && python ./train.py --check"}
  looped: {command: "for i in 1 2; do python train.py --fold $i; done"}
  shown: {command: "cat wine/fit.py | tee log; python train.py"}
  tested: {command: "pytest train.py"}
  file: {command: "./deep/go {alpha}"}
  suffix: {command: "train.py wine/fit.py"}
  within: {command: "(cd deep && ls); python train.py"}
  named: {command: "python {script} && python train.py"}
  named_module: {command: "python -m {module} && python train.py"}
  filled_in: {command: "python {stage}.py && python train.py"}
  filled_folder: {command: "cd {folder} && python train.py"}
  unsure: {command: "torchrun --unknown train.py wine/fit.py"}
  outside: {command: "python ../../train.py"}
  endless: {command: "python train.py LONG"}
  absolute: {command: "python /opt/wine/train.py"}
  scripted: {command: "pip install . && poetry run label {alpha}"}
  scripted_too: {command: "label {alpha}; python train.py"}
"""

CODE = {
    "sub/MLproject": PROJECT.replace("LONG", "cd a;(" * 80_000),
    "sub/train.py": "1",
    "sub/conf.yaml": "2",
    "sub/wine/fit.py": "3",
    "sub/deep/all.sh": "4",
    "sub/deep/go": "4",
    "sub/deep/fit.py": "4",
    "tools/run.py": "5",
    "bad/MLproject": "entry_points: [\n",
    "src/grape/__init__.py": "6",
    "src/grape/__main__.py": "7",
    "src/grape/press.py": "8",
    "src/grape/vat/__init__.py": "9",
    "src/grape/vat/__main__.py": "10",
    "src/grape/vat.py": "11",
    "pyproject.toml": """
        [project.scripts]
        vinify = "grape.press:main"
        twice = "grape.press"
        [tool.poetry.scripts]
        poet = {callable = "grape.vat:x"}
    """,
    "libs/a/setup.cfg": "[options.entry_points]\nconsole_scripts =\n"
    "    bottle = cork.pull:main [extra]\n    twice = cork.pull\n",
    "libs/a/lib/cork/pull.py": "12",
    "libs/b/setup.py": "from setuptools import setup\n"
    "setup(entry_points={'console_scripts': ['label=glue.stick:main'] + more})\n",
    "libs/b/src/glue/stick.py": "13",
    "libs/b/src/glue/pyproject.toml": "[project",
    "books/look.ipynb": "14",
    "books/see.py": "15",
    "books/see.sql": "16",
    "Books/Case.py": "17",
    "vinify.py": "18",
}

CODE_CASES: list[tuple[str, str, int, str | None, str | None]] = [
    ("https://example.org/w.git#sub", "", 1, "sub/train.py", "sub/MLproject"),
    ("https://example.org/w.git#sub", "main", 1, "sub/train.py", "sub/MLproject"),
    ("file:///tmp/other#sub", "module", 1, "sub/wine/fit.py", "sub/MLproject"),
    ("/home/ada/file:/tmp/other#sub", "module", 1, "sub/wine/fit.py", "sub/MLproject"),
    ("/home/ada/file:/home/other/r%2Fsub", "module", 1, "sub/wine/fit.py", "sub/MLproject"),
    ("sub", "launched", 1, "tools/run.py", "sub/MLproject"),
    ("sub", "moved", 1, "sub/deep/all.sh", "sub/MLproject"),
    ("sub", "both", 1, "sub/MLproject", None),
    ("sub", "none", 1, "sub/MLproject", None),
    ("sub", "split", 1, "sub/train.py", "sub/MLproject"),
    ("sub", "broken", 1, "sub/MLproject", None),
    ("sub", "launched_module", 1, "sub/wine/fit.py", "sub/MLproject"),
    ("sub", "moved_module", 1, "sub/deep/fit.py", "sub/MLproject"),
    ("sub", "launcher_folder", 1, "sub/wine/fit.py", "sub/MLproject"),
    ("sub", "profiled", 1, "sub/train.py", "sub/MLproject"),
    ("sub", "installed", 1, "sub/train.py", "sub/MLproject"),
    ("sub", "twice", 1, "sub/train.py", "sub/MLproject"),
    ("sub", "looped", 1, "sub/train.py", "sub/MLproject"),
    ("sub", "shown", 1, "sub/train.py", "sub/MLproject"),
    ("sub", "tested", 1, "sub/MLproject", None),
    ("sub", "file", 1, "sub/deep/go", "sub/MLproject"),
    ("sub", "suffix", 1, "sub/train.py", "sub/MLproject"),
    ("sub", "within", 1, "sub/train.py", "sub/MLproject"),
    ("sub", "named", 1, "sub/MLproject", None),
    ("sub", "named_module", 1, "sub/MLproject", None),
    ("sub", "filled_in", 1, "sub/MLproject", None),
    ("sub", "filled_folder", 1, "sub/MLproject", None),
    ("sub", "unsure", 1, "sub/MLproject", None),
    ("sub", "endless", 1, "sub/MLproject", None),
    ("sub", "outside", 1, "sub/MLproject", None),
    ("sub", "scripted", 1, "libs/b/src/glue/stick.py", "sub/MLproject"),
    ("sub", "scripted_too", 1, "sub/MLproject", None),
    ("sub", "absolute", 1, "sub/MLproject", None),
    ("sub", "wine/fit.py", 1, "sub/wine/fit.py", "sub/MLproject"),
    ("sub", "not/there.py", 1, "sub/MLproject", None),
    ("bad", "", 1, "bad/MLproject", None),
    ("/home/other/r/sub", "", 1, "sub/train.py", "sub/MLproject"),
    ("file:///home/other/r/sub", "module", 1, "sub/wine/fit.py", "sub/MLproject"),
    ("D:\\r\\sub", "main", 1, "sub/train.py", "sub/MLproject"),
    ("tools", "run.py", 1, "tools/run.py", None),
    ("-m grape.press", "", 1, "src/grape/press.py", None),
    ("python3 -m grape.press --alpha 1", "", 1, "src/grape/press.py", None),
    ("-m grape", "", 1, "src/grape/__main__.py", None),
    ("-m grape.vat", "", 1, "src/grape/vat/__main__.py", None),
    ("grape.press", "", 1, "src/grape/press.py", None),
    ("-m cork.pull", "", 1, "libs/a/lib/cork/pull.py", None),
    ("-m no.where", "", 0, None, None),
    ("/venv/lib/python3.11/site-packages/grape/press.py", "", 1, "src/grape/press.py", None),
    ("/venv/lib/python3.11/site-packages/grape/__main__.py", "", 1, "src/grape/__main__.py", None),
    ("/home/x/venv/bin/vinify", "", 1, "src/grape/press.py", None),
    ("C:\\venv\\Scripts\\vinify.exe", "", 1, "src/grape/press.py", None),
    ("C:\\venv\\Scripts\\vinify-script.py", "", 1, "src/grape/press.py", None),
    ("vinify", "", 1, "src/grape/press.py", None),
    ("/venv/bin/poet", "", 1, "src/grape/vat/__init__.py", None),
    ("/venv/bin/bottle", "", 1, "libs/a/lib/cork/pull.py", None),
    ("/venv/bin/label", "", 1, "libs/b/src/glue/stick.py", None),
    ("/venv/bin/twice", "", 2, None, None),
    ("/venv/bin/pytest", "", 0, None, None),
    ("look.ipynb", "", 1, "books/look.ipynb", None),
    ("http://localhost:8888/notebooks/books/look.ipynb?token=x", "", 1, "books/look.ipynb", None),
    ("https://colab.example.org/github/o/r/blob/main/books/look.ipynb#cell", "", 1, "books/look.ipynb", None),
    ("/Users/ada@example.org/wine/books/look", "", 1, "books/look.ipynb", None),
    ("/Workspace/Repos/ada@example.org/wine/books/look", "", 1, "books/look.ipynb", None),
    ("/Repos/ada@example.org/wine/books/see", "", 2, None, None),
    ("books/look", "", 1, "books/look.ipynb", None),
    ("/Users/ada/venv/bin/books/look", "", 1, "books/look.ipynb", None),
    ("/somewhere/books/look", "", 0, None, None),
    ("D:\\r\\SUB\\Train.PY", "", 1, "sub/train.py", None),
    ("D:\\r\\books\\case.py", "", 1, "Books/Case.py", None),
    ("\\\\server\\share\\sub\\train.py", "", 1, "sub/train.py", None),
    ("/r/SUB/Train.PY", "", 0, None, None),
]


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, str]:
    made = Repository(tmp_path_factory.mktemp("code") / "r")
    return made, made.commit(CODE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "case", CODE_CASES, ids=lambda case: f"{case[0]} {case[1]}".encode("unicode_escape").decode()
)
def test_a_project_module_script_or_notebook_is_the_one_file_that_it_can_mean(
    code: tuple[Repository, str], case: tuple[str, str, int, str | None, str | None]
) -> None:
    (made, sha), (source, entry, *expected) = code, case
    (row,) = made.read(entry_points=[(sha, source, entry)])["git_entry_point"]
    assert [row["candidates"], row["path"], row["project_path"]] == expected
    assert (row["source"], row["entry"]) == (source, entry)
    assert row["project_commit"] == (sha if expected[2] else None)


def test_the_root_of_another_machine_is_a_project_where_the_run_is_one_and_no_folder_is_meant(
    tmp_path: Path,
) -> None:
    made = Repository(tmp_path / "r")
    project = "entry_points: {main: {command: python train.py}}"
    sha = made.commit({"MLproject": project, "train.py": "", "sub/eval.py": "", "deep/own/MLproject": ""})
    cases = {
        ("/home/other/r", "main"): "train.py",
        ("/home/other/r", ""): None,
        ("/home/other/r/sub", "eval.py"): None,
        ("/home/other/deep/own", "main"): "deep/own/MLproject",
    }
    rows = made.read(entry_points=[(sha, *case) for case in cases])["git_entry_point"]
    assert {(row["source"], row["entry"]): row["path"] for row in rows} == cases


def test_what_files_declare_is_told_of_the_revision_that_does(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    one = made.commit({"MLproject": "entry_points: {a: {command: x}}", "setup.py": "x = 1"})
    two = made.commit({"MLproject": "entry_points: {b: {command: y}}", "setup.py": "x = 1"}, one)
    huge = "a: &a [1]\n" + "#" * (1 << 20)
    made.commit({"MLproject": huge, "setup.cfg": b"\xff[", "pyproject.toml": b"\x00"}, two)
    rows = made.read()["git_declared"]
    assert picked(rows, "commit", "path", "name", "target") == sorted(
        [(one, "MLproject", "a", "x"), (two, "MLproject", "b", "y")]
    )
