"""Command lines that somebody noted as the source of a run, and what of the repository they run."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.sources.git_maker import Repository
from tests.sources.joined import linked, of_run, records, store_of

from mlflow2prov import extract
from mlflow2prov.sources.git_command_lines import Named, script_named
from mlflow2prov.sources.git_shell import simple_commands

FILES = {
    "train.py": "1",
    "src/train.py": "2",
    "src/wine/fit.py": "3",
    "src/wine/net.py": "4",
    "conf/a.yaml": "5",
    "a.yaml": "6",
    "jobs/all.sh": "7",
    "books/look.ipynb": "8",
    "model.R": "9",
    "python tricks.py": "10",
    "python notes/learn.py": "11",
    "time series/look.py": "12",
    "time series of/wine.py": "12",
    "train.py - old": "13",
    "my runs/deep/learn.py": "14",
    "MLproject": "name: wine",
    "pyproject.toml": "[project.scripts]\nfit-wine = 'wine.fit:main'\ngrow = 'wine.net:main'\n",
}

CASES: list[tuple[str, str | None]] = [
    ("python train.py", "train.py"),
    ("python train.py --lr 0.1", "train.py"),
    ("  python3.11 -u -W ignore ./src/train.py --config conf/a.yaml ", "src/train.py"),
    ("python src/missing.py --config conf/a.yaml", None),
    ("CUDA_VISIBLE_DEVICES=0 OMP=1 python train.py", "train.py"),
    ("/opt/conda/bin/python /home/ada/wine/src/wine/fit.py", "src/wine/fit.py"),
    ("C:\\Python\\python.exe C:\\Work\\SRC\\wine\\Fit.py --lr 1", "src/wine/fit.py"),
    ("python -m wine.fit --lr 0.1", "src/wine/fit.py"),
    ("python -um wine.fit", "src/wine/fit.py"),
    ("-m wine.fit", "src/wine/fit.py"),
    ("python -m no.where train.py", None),
    ("python -c 'import wine' train.py", None),
    ("python - train.py", None),
    ("python other src/train.py", None),
    ("python $SCRIPT/train.py", None),
    ("python {script}/train.py", None),
    ("cd src && python wine/fit.py", "src/wine/fit.py"),
    ("cd ../src; python ./wine/fit.py | tee log/train.py", "src/wine/fit.py"),
    ("cd && python train.py", None),
    ("source venv/bin/activate && python train.py", "train.py"),
    ("python train.py && python src/wine/fit.py", None),
    ("bash jobs/all.sh && python train.py", None),
    ("bash -c 'python train.py'", None),
    ("sh -x jobs/all.sh", "jobs/all.sh"),
    ("Rscript --vanilla model.R 1", "model.R"),
    ("accelerate launch src/train.py", "src/train.py"),
    ("accelerate launch --multi_gpu --num_processes 2 src/train.py --net src/wine/net.py", "src/train.py"),
    ("accelerate launch --config_file conf/c.py src/train.py", "src/train.py"),
    ("accelerate config train.py", None),
    ("accelerate launch -m wine.fit", "src/wine/fit.py"),
    ("torchrun --standalone --nproc_per_node=2 src/train.py", "src/train.py"),
    ("torchrun --nproc_per_node 2 src/train.py", "src/train.py"),
    ("torchrun --unknown src/train.py", "src/train.py"),
    ("torchrun --unknown src/train.py src/wine/net.py", None),
    ("python -m torch.distributed.launch --nproc_per_node 2 src/train.py", "src/train.py"),
    ("python -m cProfile -o out.prof src/train.py", "src/train.py"),
    ("python -m cProfile -m wine.fit", "src/wine/fit.py"),
    ("coverage run -m wine.fit", "src/wine/fit.py"),
    ("srun -m block --gres gpu:1 python src/train.py", "src/train.py"),
    ("nohup uv run --with x python -m wine.fit", "src/wine/fit.py"),
    ("conda run -n env python src/train.py", "src/train.py"),
    ("ray job submit --working-dir . -- python src/train.py", "src/train.py"),
    ("jupyter nbconvert --to notebook --execute books/look.ipynb --output out.ipynb", "books/look.ipynb"),
    ("papermill books/look.ipynb books/out.ipynb -p a 1", "books/look.ipynb"),
    ("spark-submit --py-files src/wine/net.py src/train.py", "src/train.py"),
    ("python -mwine.fit train.py", "src/wine/fit.py"),
    ("python -umno.where train.py", None),
    ("julia --load src/train.py model.R", "model.R"),
    ("julia -E 1 model.R", None),
    ("papermill -p path books/out.ipynb -r a 1 books/look.ipynb out.ipynb", "books/look.ipynb"),
    ("fit-wine --lr 0.1", "src/wine/fit.py"),
    ("fit-wine conf/a.yaml", "src/wine/fit.py"),
    ("A=1 .venv/bin/fit-wine conf/a.yaml", "src/wine/fit.py"),
    ("C:\\venv\\Scripts\\fit-wine.exe conf/a.yaml", "src/wine/fit.py"),
    ("poetry run fit-wine conf/a.yaml", "src/wine/fit.py"),
    ("nohup uv run --frozen --extra gpu fit-wine lr=1", "src/wine/fit.py"),
    ("conda run -n grow fit-wine", "src/wine/fit.py"),
    ("uv run --odd fit-wine grow", None),
    ("pip install -e . && fit-wine", "src/wine/fit.py"),
    ("fit-wine && grow", None),
    ("fit-wine && python train.py", "train.py"),
    ("poetry run other fit-wine", None),
    ("uv run -m wine.fit train.py", "src/wine/fit.py"),
    ("poetry run fit --net src/wine/net.py", None),
    ("poetry run pytest src/train.py", None),
    ("conda run -n fit tool train.py", None),
    ("nohup tool train.py", None),
    ("nohup tool src/train.py", None),
    ("docker exec wine python src/train.py", None),
    ("/home/ada/my python notes/src/wine/net.py", "src/wine/net.py"),
    ("time series of/wine.py", "time series of/wine.py"),
    ("sudo rm -f train.py; python src/train.py", "src/train.py"),
    ("env A=1 timeout 10m ./train.py", "train.py"),
    ("mpirun -np 2 -mca btl tcp python src/train.py", "src/train.py"),
    ("mpirun -np 1 python train.py : -np 1 python src/train.py", None),
    ("pixi run -e gpu python src/train.py", "src/train.py"),
    ("hatch run python -m wine.fit", "src/wine/fit.py"),
    ("streamlit run train.py -- src/train.py", "train.py"),
    ("srun --odd train.py -- src/train.py", None),
    ("conda run --cwd src python train.py --directory .", "src/train.py"),
    ("ray job submit --working-dir=src -- python train.py", "src/train.py"),
    ("nohup uv run --directory src wine/fit.py", "src/wine/fit.py"),
    ("env -C src python train.py", "src/train.py"),
    ("env -Csrc A=1 python wine/fit.py", "src/wine/fit.py"),
    ("srun -D src -n 2 python train.py", "src/train.py"),
    ("sudo -D src python train.py", "src/train.py"),
    ("mpirun -wd src -np 2 python train.py", "src/train.py"),
    ("pushd src && python train.py", "src/train.py"),
    ("pushd src; ls; popd; python train.py", None),
    ("cd src; cd - && python train.py", None),
    ("(cd src && ls); python train.py", "train.py"),
    ("(cd src; (cd wine; ls); python train.py)", "src/train.py"),
    ("(cd src); (cd src && python wine/fit.py)", "src/wine/fit.py"),
    ("(cd src", None),
    ("cd src; (cd wine)); python train.py", "src/train.py"),
    ("(cd src; python train.py) && python train.py", None),
    ("cd src | python train.py", "train.py"),
    ("ls | cd src; python train.py", "train.py"),
    ("cd src && tensorboard & python train.py", "train.py"),
    ("cd src; tensorboard & python train.py", "src/train.py"),
    ("cd src || exit 1; python train.py", "src/train.py"),
    ("cd src || python train.py", "train.py"),
    ("cd src || cd jobs; python train.py", None),
    ("[ -d src ] && cd src; python train.py", None),
    ("[ -d src ] && cd src; python wine/fit.py", "src/wine/fit.py"),
    ("[ -d src ] && cd src && python train.py", "src/train.py"),
    ("[ -d src ] && cd src || exit 1; python train.py", "src/train.py"),
    ("make && cd src && make; python train.py", None),
    ("make && cd src &&\npython train.py", "src/train.py"),
    ("cd src || true; python train.py", None),
    ("cd src || { echo gone; exit 1; }; python train.py", "src/train.py"),
    ("cd src && make || python train.py", None),
    ("cd src && make > log 2>&1; python train.py", "src/train.py"),
    ("cd src && make &> log && python train.py", "src/train.py"),
    ("[ -f done ] && exit; python train.py", "train.py"),
    ("! cd src && python train.py", "train.py"),
    ("if [ -d src ]; then cd src; fi; python train.py", None),
    ("if [ -d src ]; then cd src; fi; Rscript model.R", "model.R"),
    ("if [ -d src ]; then cd src; python train.py; fi", "src/train.py"),
    ("if [ -d src ]; then cd src; else exit 1; fi; python train.py", "src/train.py"),
    ("if ! cd src; then exit 1; fi; python train.py", "src/train.py"),
    ("if cd src; then ls; elif cd jobs; then ls; else python train.py; fi", "train.py"),
    ("for s in 1 2; do cd src; python train.py; cd ..; done", "src/train.py"),
    ("for s in 1 2; do cd src; python train.py; done", None),
    ("for s in 1 2; do cd src || continue; ls; cd ..; done; python train.py", "train.py"),
    ("case $1 in a) cd src;; (b) ls;; esac; python train.py", None),
    ("case $1 in a) cd src && python train.py;; b) ls;; esac", "src/train.py"),
    ("go() { cd src; }; python train.py", "train.py"),
    ("pushd src > /dev/null; python train.py", "src/train.py"),
    ("cd $HOME/src && python wine/fit.py", "src/wine/fit.py"),
    ("cd $HOME && python train.py", None),
    ("cat > run.sh <<EOF\npython train.py\nEOF", None),
    ("python - <<'EOF'\npython train.py\nEOF", None),
    ("python train.py <<< 'python src/train.py'", "train.py"),
    ("python train.py --code $(cd src && pwd) --other src/train.py", "train.py"),
    ("python $(cd src && pwd)/train.py", None),
    ("python train.py <(cd src && ls) src/train.py", "train.py"),
    ("if [ -f a.yaml ]; then python train.py; fi", "train.py"),
    ("for s in 1 2; do ! python src/train.py --seed $s; done", "src/train.py"),
    ("{ cd src; python train.py; }", "src/train.py"),
    ("train.py --lr 0.1", "train.py"),
    ("./src/train.py lr=0.1 model=big", "src/train.py"),
    ("src/missing.py --config conf/a.yaml", None),
    ("docker run image /app/train.py", None),
    ("launch --script conf/train.py", None),
    ("python tricks.py", "python tricks.py"),
    ("/home/ada/python notes/learn.py", "python notes/learn.py"),
    ("/home/ada/time series/look.py", "time series/look.py"),
    ("time series/look.py", "time series/look.py"),
    ("/home/ada/train.py - old", "train.py - old"),
    ("/home/ada/my runs/deep/learn.py", "my runs/deep/learn.py"),
    ("/home/ada/other runs/src/wine/net.py", "src/wine/net.py"),
    ("python 'my runs/deep/learn.py' --lr 1", "my runs/deep/learn.py"),
    ("python train.py 'unfinished", "train.py"),
    ("python", None),
    ("python -u", None),
    ("python -W", None),
    ("python -m", None),
    ("cd src", None),
    (" ; && ", None),
]


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repository, str]:
    made = Repository(tmp_path_factory.mktemp("commands") / "r")
    return made, made.commit(FILES)  # type: ignore[arg-type]


def test_a_command_line_is_the_script_or_module_that_it_runs(repository: tuple[Repository, str]) -> None:
    made, sha = repository
    rows = made.read(entry_points=[(sha, source) for source, _ in CASES])["git_entry_point"]
    assert {row["source"]: row["path"] for row in rows} == dict(CASES)


def test_a_url_of_a_hosting_service_is_the_file_at_its_path(tmp_path: Path) -> None:
    made = Repository(tmp_path / "r")
    made.git("remote", "add", "origin", "git@github.com:ada/wine.git")
    files = {
        "train.py": "1",
        "main/train.py": "2",
        "sub/MLproject": "entry_points: {main: {command: python go.py}}",
    }
    old = made.commit({**files, "sub/go.py": "3"})
    sha = made.commit({**files, "run.sh": "4", "sub/go.py": "5", "MLproject": "name: w"}, old)
    made.git("tag", "v1", old)
    made.git("tag", "v2", sha)
    cases = {
        "https://github.com/ada/wine/blob/main/train.py": "train.py",
        "https://github.com/ada/wine/blob/main/train.py#L3": "train.py",
        "https://github.com/ada/wine/blob/main/main/train.py": "main/train.py",
        "https://raw.githubusercontent.com/ada/wine/main/run.sh": "run.sh",
        f"https://github.com/ada/wine/blob/{sha}/run.sh": "run.sh",
        f"https://github.com/ada/wine/blob/{old}/train.py": None,
        "https://github.com/ada/wine/blob/v1/train.py": None,
        "https://github.com/ada/wine/blob/v2/train.py": "train.py",
        "https://github.com/ada/wine/tree/main/sub": "sub/go.py",
        "https://github.com/ada/wine/blob/main/sub/MLproject": "sub/go.py",
        "https://github.com/ada/wine/blob/main/gone.py": None,
        "https://github.com/ada/wine/tree/main": "MLproject",
        "https://github.com/ada/wine/tree/v2/": "MLproject",
        "https://github.com/ada/wine/tree/gone": "MLproject",
        f"https://github.com/ada/wine/tree/{sha}": "MLproject",
        f"https://github.com/ada/wine/tree/{old}": None,
        "https://github.com/ada/wine/tree/gone/sub/": "sub/go.py",
        "https://github.com/ada/wine#sub": "sub/go.py",
        "git@github.com:ada/wine.git#sub": "sub/go.py",
        "https://github.com/ada/wine": "MLproject",
        "https://github.com/eve/wine/blob/main/run.sh": "run.sh",
        "https://github.com/eve/wine/blob/main/gone.sh": None,
        "https://raw.githubusercontent.com/eve/wine/main/run.sh": "run.sh",
        "https://raw.githubusercontent.com/eve/wine/main/gone.sh": None,
        "https://codeberg.org/eve/wine/src/branch/main/gone.sh": None,
        "https://example.org/team/src/eve/wine": "MLproject",
        f"https://github.com/eve/wine/blob/{sha}/run.sh": "run.sh",
        f"https://github.com/eve/wine/blob/{old}/run.sh": None,
        f"https://raw.githubusercontent.com/eve/wine/{'1' * 40}/run.sh": None,
        "https://gitlab.com/ada/wine/-/tree/main/gone": None,
        "https://[github.com/ada/wine/blob/main/run.sh": "run.sh",
        "https://\u2100.org/deep/er/blob/main/run.sh": "run.sh",
        "https://[::1": "MLproject",
        "https://colab.research.google.com/github/ada/wine/blob/main/train.py": "train.py",
    }
    rows = made.read(entry_points=[(sha, source) for source in cases])["git_entry_point"]
    assert {row["source"]: row["path"] for row in rows} == cases
    runs = [row for number, source in enumerate(cases) for row in of_run(f"url-{number}", sha, source)]
    runs += [row for number, (source, _) in enumerate(CASES) for row in of_run(f"line-{number}", sha, source)]
    url = store_of(tmp_path, *runs)
    with extract(made.path, url) as together, linked(made.path, url) as apart:
        assert records(together) == records(apart)


@pytest.mark.parametrize(
    "begin", ["nice ", "python -m cProfile ", "uv run -- ", "env A=1 python -m coverage run "]
)
def test_launchers_of_launchers_without_end_are_no_failure(begin: str) -> None:
    assert script_named(begin * 10 + "train.py") == (Named("train.py"),)
    assert not script_named(begin * 1_000 + "train.py")
    assert not script_named(begin * 20_000 + "train.py")


@pytest.mark.parametrize(
    "part",
    ["cd a;", "while cd a;", "(", "{ ", "if ", "x|", "a && cd x;", "f(){ ", "do ", "case a) ", ")", "&"],
)
def test_shells_of_shells_without_end_are_no_failure(part: str) -> None:
    assert len([*simple_commands(f"{part * ((1 << 15) // len(part) - 5)} make x")]) <= 1 << 14
