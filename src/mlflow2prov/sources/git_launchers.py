"""Interpreters and launchers of scripts, and how they take what they run from the words of a command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Runs the script that is its first word that is no option.

    Attributes:
        valued: the options that are followed by a value.
        ends: fits options after which there is no script.
        module: fits an option that a module follows, at once or as the next word.
    """

    valued: frozenset[str] = frozenset()
    ends: re.Pattern[str] = re.compile(r"-[A-Za-z]*c|-e|--eval|-")
    module: re.Pattern[str] | None = None


PYTHON = Interpreter(
    frozenset({"-W", "-X", "--check-hash-based-pycs"}),
    re.compile(r"-[bBdEiIOPqsSuvVx]*c.*|-", re.DOTALL),
    re.compile(r"-[bBdEiIOPqsSuvVx]*m(.*)", re.DOTALL),
)
_SHELL = Interpreter(
    frozenset({"-o", "-O", "+O", "--rcfile", "--init-file"}), re.compile(r"-[A-Za-z]*[cs]|-")
)
_JULIA = Interpreter(
    frozenset({"-p", "-t", "-L", "-J", "-C", "-H", "--cpu-target", "--home", "--load", "--machine-file"})
    | {"--procs", "--sysimage", "--threads"},
    re.compile(r"-[eE]|--eval|--print|-"),
)
INTERPRETERS: tuple[tuple[re.Pattern[str], Interpreter], ...] = (
    (re.compile(r"(?:python|pypy)w?[\d.]*"), PYTHON),
    (re.compile(r"(?:ba|da|k|z)?sh"), _SHELL),
    (re.compile(r"Rscript"), Interpreter()),
    (re.compile(r"julia"), _JULIA),
)
"""Interpreters, by what their names are."""

LAUNCHERS: Mapping[str, tuple[str, ...]] = {
    "accelerate": ("launch",),
    "conda": ("run",),
    "coverage": ("run",),
    "debugpy": (),
    "deepspeed": (),
    "env": (),
    "exec": (),
    "fabric": ("run",),
    "hatch": ("run",),
    "horovodrun": (),
    "ipython": (),
    "ipython3": (),
    "jupyter": ("nbconvert", "execute", "notebook", "lab", "run"),
    "kernprof": (),
    "mamba": ("run",),
    "micromamba": ("run",),
    "mpiexec": (),
    "mpirun": (),
    "nice": (),
    "nohup": (),
    "numactl": (),
    "papermill": (),
    "pdm": ("run",),
    "pipenv": ("run",),
    "pixi": ("run",),
    "poetry": ("run",),
    "py-spy": ("record",),
    "pyinstrument": (),
    "ray": ("job",),
    "rye": ("run",),
    "scalene": (),
    "spark-submit": (),
    "srun": (),
    "streamlit": ("run",),
    "sudo": (),
    "time": (),
    "timeout": (),
    "torchrun": (),
    "uv": ("run",),
    "viztracer": (),
    "xvfb-run": (),
}
"""What runs a script or another command, and its commands that do; none where it does by itself."""

WITH_MODULES = frozenset(
    {
        "accelerate",
        "coverage",
        "debugpy",
        "deepspeed",
        "ipython",
        "ipython3",
        "kernprof",
        "pyinstrument",
        "scalene",
    }
    | {"torchrun", "uv", "viztracer"}
)
"""Launchers that run the module that follows ``-m`` or ``--module``."""

RUNNERS: Mapping[str, str] = {
    "accelerate.commands.accelerate_cli": "accelerate",
    "accelerate.commands.launch": "torchrun",
    "cProfile": "coverage run",
    "coverage": "coverage",
    "debugpy": "debugpy",
    "memory_profiler": "torchrun",
    "papermill": "papermill",
    "pdb": "torchrun",
    "profile": "torchrun",
    "scalene": "scalene",
    "streamlit": "streamlit",
    "torch.distributed.launch": "torchrun",
    "torch.distributed.run": "torchrun",
}
"""Modules that run scripts, and launchers that take words as they do."""

ALONE = frozenset(
    {
        "--allow-run-as-root",
        "--cpu",
        "--execute",
        "--inplace",
        "--live-stream",
        "--mps",
        "--multi-gpu",
        "--multi_gpu",
        "--no-capture-output",
        "--no-python",
        "--no_python",
        "--oversubscribe",
        "--quiet",
        "--standalone",
        "--tpu",
        "--use-env",
        "--use_deepspeed",
        "--use_env",
        "--use_fsdp",
        "--verbose",
    }
)
"""Options of launchers that no value follows."""

VALUED = dict.fromkeys(
    ("--config-file", "--config_file", "--output", "--py-files", "--rdzv-conf", "--rdzv_conf"), 1
)
"""Options of launchers that the name of a file follows, and how many words that are."""

_MPI = {"-mca": 2, "--mca": 2, "-gmca": 2, "--gmca": 2}
VALUED_OF: Mapping[str, Mapping[str, int]] = {
    "mpiexec": _MPI,
    "mpirun": _MPI,
    "papermill": {"-p": 2, "--parameters": 2, "-r": 2, "--parameters_raw": 2},
}
"""Likewise what follows options of some launchers."""

FOLDERS = frozenset({"--chdir", "--cwd", "--directory", "--wdir", "--working-dir", "-wdir"})
"""Options of launchers that the folder follows in which they run something."""

FOLDERS_OF: Mapping[str, frozenset[str]] = {
    "env": frozenset({"-C"}),
    "mpiexec": frozenset({"-wd", "--wd"}),
    "mpirun": frozenset({"-wd", "--wd"}),
    "srun": frozenset({"-D"}),
    "sudo": frozenset({"-D"}),
}
"""Likewise of some launchers; behind a letter the folder may follow at once."""

PASSED_OVER = re.compile(r"\w+=.*|[\d.]+[smhd]?|submit", re.DOTALL)
"""Words of launchers that are neither options nor what they run."""
