"""A small file store, made by hand, that tests change file by file."""

from __future__ import annotations

from pathlib import Path


class MadeFiles:
    """Runs ``a``, ``b``, ``c`` and a logged model in experiment 1; in 2 the run ``far``, whose artifacts are elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "mlruns"
        for experiment in ("1", "2"):
            self.write(f"{experiment}/meta.yaml", f"experiment_id: '{experiment}'\nname: e{experiment}\n")
        for name in "abc":
            self.run("1", name)
        self.write("1/datasets/d1/meta.yaml", "name: wine\ndigest: d1\nsource_type: local\nsource: '{}'\n")
        self.write(
            "1/a/inputs/i1/meta.yaml",
            "source_id: d1\nsource_type: DATASET\ntags:\n  mlflow.data.context: x\n",
        )
        self.run("2", "far", uri=f"file://{folder}/elsewhere/far")
        (folder / "elsewhere" / "far").mkdir(parents=True)
        self.write("1/models/m-1/meta.yaml", "model_id: m-1\nname: n\nexperiment_id: '1'\nsource_run_id: a\n")
        self.write("1/models/m-1/tags/k", "v")

    def run(self, experiment: str, name: str, uri: str | None = None) -> None:
        place = f"{experiment}/{name}"
        uri = uri or f"file://{self.root}/{place}/artifacts"
        self.write(
            f"{place}/meta.yaml",
            f"run_id: {name}\nexperiment_id: '{experiment}'\nstatus: 3\nstart_time: 1700000000000\n"
            f"end_time: 1700000001000\nlifecycle_stage: active\nartifact_uri: {uri}\n",
        )
        self.write(f"{place}/metrics/acc", "1700000000000 0.5 0\n")
        self.write(f"{place}/params/lr", "0.1")
        self.write(f"{place}/tags/mlflow.user", "ann")
        self.write(f"{place}/artifacts/deep/a.txt", "hello")

    def write(self, path: str, text: str, mode: str = "w") -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open(mode, encoding="utf-8") as file:
            file.write(text)
