"""The demo behind ``make demo``: make a project below the current folder and extract its provenance."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from make_project import DATABASE, MARKER, REPOSITORY, TRUTH

HERE = Path(__file__).resolve().parent
PROGRAM = Path(sys.executable).with_name("mlflow2prov")
FOLDER = "demo"
WHAT = {
    ".json": " as PROV-JSON",
    ".jsonld": " as PROV-JSONLD",
    ".provn": " as PROV-N",
    ".xml": " as PROV-XML",
    ".rdf": " as PROV-O in RDF/XML",
    ".ttl": " as PROV-O in Turtle",
    ".trig": " as PROV-O in TriG",
    ".nt": " as PROV-O in N-Triples",
    ".nq": " as PROV-O in N-Quads",
    ".parquet": " as tables for DuckDB, Polars or Spark",
    ".csv": " as tables for Neo4j",
    ".dot": " as a drawing for Graphviz",
}
LOADED = f"load --input {FOLDER}/provenance.json"
PICTURE = f"{LOADED} save --output {FOLDER}/picture --format svg"
GRAPHVIZ = "\nFor a picture, install Graphviz (apt-get install graphviz, brew install graphviz) and try:"


def main() -> int:
    """Run the demo in the current folder; the result is the exit code."""
    demo = Path.cwd() / FOLDER
    if not remove(demo):
        print(f"{demo} was not made by this demo: move it away, or run the demo elsewhere.", file=sys.stderr)
        return 2
    say(f"Making a project with a Git history and MLflow runs in {FOLDER}/ ...")
    if not timed("the project", [sys.executable, str(HERE / "make_project.py"), str(demo)]):
        return 1
    say("\nExtracting its provenance: mlflow2prov --config mlflow2prov.yaml")
    job = [str(PROGRAM), "--config", str(HERE / "mlflow2prov.yaml")]
    if not timed("the provenance", job, DEMO=str(demo)):
        return 1
    if shutil.which("dot"):
        say("\nDrawing it: mlflow2prov load … save --format svg --format png")
        source, picture = str(demo / "provenance.json"), str(demo / "picture")
        draw = [str(PROGRAM), "load", "--input", source, "save", "--output", picture]
        if not timed("the picture", [*draw, "--format", "svg", "--format", "png"]):
            return 1
    say(ending(demo))
    return 0


def remove(demo: Path) -> bool:
    """Remove an earlier demo; false where something else is in the way, which is left alone."""
    if not demo.exists() and not demo.is_symlink():
        return True
    if demo.is_symlink() or not (demo / MARKER).is_file():
        return False
    shutil.rmtree(demo)
    return True


def timed(what: str, command: list[str], **environment: str) -> bool:
    """Run the command, say how long it took, and return whether it went well."""
    start = time.perf_counter()
    try:
        code = subprocess.run(command, env={**os.environ, **environment}, check=False).returncode
    except OSError as error:
        print(f"{command[0]} can't be run ({error.strerror}): set up the project first.", file=sys.stderr)
        return False
    seconds = time.perf_counter() - start
    if code:
        print(f"Making {what} ended with exit code {code} after {seconds:.1f} s.", file=sys.stderr)
        return False
    say(f"Made {what} in {seconds:.1f} s.")
    return True


def ending(demo: Path) -> str:
    """What is where, and what to try next."""
    documents = sorted([*demo.glob("provenance.*"), *demo.glob("picture.*")])
    program = shown(PROGRAM)
    source = f"--repository_path {FOLDER}/{REPOSITORY} --mlflow_url sqlite:///{FOLDER}/{DATABASE}"
    return "\n".join(
        [
            "\nLook at:",
            *(f"  {FOLDER}/{path.name:<18} {size_kib(path):>5,.0f} KiB, {what(path)}" for path in documents),
            f"  {FOLDER}/{REPOSITORY:<18} the Git repository",
            f"  {FOLDER}/{DATABASE:<18} the MLflow store",
            f"  {FOLDER}/{TRUTH:<18} what was done to make them, counted",
            "\nTry next:",
            f"  git -C {FOLDER}/{REPOSITORY} log --graph --all --oneline",
            f"  {program} extract {source} statistics --resolution fine --format table",
            f"  {program} {LOADED} why models:/wine-candidate@champion",
            f"  {program} {LOADED} lineage --of models:/wine-candidate@champion --print",
            f"  {program} {LOADED} ask --list",
            f"  {program} --help",
            *([] if shutil.which("dot") else [GRAPHVIZ, f"  {program} {PICTURE}"]),
        ]
    )


def size_kib(path: Path) -> float:
    """The size of a file, or of all files of a folder."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return sum(one.stat().st_size for one in files) / 1024


def what(path: Path) -> str:
    """What a file of the demo is."""
    return "a picture of the graph" if path.stem == "picture" else f"the graph{WHAT.get(path.suffix, '')}"


def shown(program: Path) -> str:
    """The path as one would type it in the current folder."""
    return str(program.relative_to(Path.cwd())) if program.is_relative_to(Path.cwd()) else str(program)


def say(text: str) -> None:
    """Print, at once, in the right order with what the commands print."""
    print(text, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
