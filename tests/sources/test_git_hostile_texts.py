"""What anybody can write into a history or a run takes a time that grows with its size alone."""

from __future__ import annotations

import subprocess
import sys

import pytest

READERS = {
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
