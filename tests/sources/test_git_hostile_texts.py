"""What anybody can write into a history or a run takes a time that grows with its size alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from git_maker import Repository

READERS = {
    "import": "from mlflow2prov.sources.python_imports import imports_of as read\nstart = b'import x, a.'",
    "trailer": "from mlflow2prov.sources.git_people import people_of as read\nstart = b't\\n\\nReviewed-by: x'",
    "trailers": "from mlflow2prov.sources.git_people import people_of as read\nstart = b't\\n\\nReviewed-by: x\\n'",
    "mail map": "from mlflow2prov.sources.git_people import MailMap as read\nstart = b'A'",
    "config": "from mlflow2prov.sources.dvc_files import read_config as reader\n"
    "def read(content): reader(content, '.dvc')\nstart = b'['",
    "attributes": "from mlflow2prov.sources.git_lfs import LfsPaths\nstart = b'x'\n"
    "def read(content): LfsPaths([(b'.gitattributes', content)])",
    "source": "from mlflow2prov.sources.git_entry_points import readings\n"
    "def read(content): readings(content.decode(), ['/a'], 'main')\nstart = b'x'",
}
REPEATED = (
    "' '",
    "' \\n'",
    "'<'",
    "'\\n '",
    "'python'",
    "' -m '",
    "'/file:'",
    "'\"'",
    '"\'"',
    "'a.'",
    "'[* '",
)


@pytest.mark.parametrize("reader", READERS)
def test_a_text_takes_no_longer_than_its_size_says(reader: str) -> None:
    script = (  # the limit is of the time of the processor: some of these took minutes to hours before
        "import resource\n"
        f"{READERS[reader]}\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (20, 20))\n"
        f"for again in ({', '.join(REPEATED)}):\n"
        "    for end in (b'', b'x', b'\\n', b'>\\n', b']\\n', b' z'):\n"
        "        read(start + again.encode() * (2**19 // len(again)) + end)\n"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True)


def test_what_a_run_says_is_searched_in_no_more_time_than_a_path_needs(tmp_path: Path) -> None:
    made = Repository(tmp_path / "code")
    deep = "a." * 100_000
    script = f"import {deep}b\nfrom {deep}b import c\nfrom {'.' * 100_000} import d\nimport beside\n"
    commit = made.commit({"train.py": script, "beside.py": ""})
    reading = (
        "import json, resource, sys\n"
        "from mlflow2prov.sources.git import read_repository\n"
        "from mlflow2prov.sources.git_wanted import GitWanted\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (30, 30))\n"
        "path, commit = sys.argv[1:]\n"
        "sources = ['train.py', *(part * 100_000 + 'train.py' for part in ('a/', '../', 'C:\\\\', '-m a.', 'a.'))]\n"
        "points = [(commit, source) for source in sources]\n"
        "datasets = [(commit, str(i), '1', json.dumps({'path': source})) for i, source in enumerate(sources[1:])]\n"
        "rows = read_repository(path, entry_points=points, datasets=datasets, wanted=GitWanted(follow_imports=True))\n"
        "print([row['path'] for name, batch in rows if name == 'git_import' for row in batch.to_pylist()])\n"
    )
    command = [sys.executable, "-W", "ignore", "-c", reading, str(made.path), commit]
    done = subprocess.run(command, check=True, capture_output=True, encoding="utf-8")
    assert done.stdout == "['beside.py']\n"
