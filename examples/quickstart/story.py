"""The story of the made project, declared: who committed what and when, and which runs followed.

Nothing here does anything; `history.py` acts it out. The files that commits write are in the
folder `templates/`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

REMOTE = "https://git.example.org/team/wine-quality.git"


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who commits and runs: name and e-mail address for Git, login for MLflow."""

    name: str
    email: str
    login: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """A script of the project, executed at a commit.

    ``edit`` maps paths to pairs of old and new text: changes that are made before, and undone after it,
    without anybody committing them.
    """

    command: tuple[str, ...]
    user: Person
    experiment: str
    fails: bool = False
    edit: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A tag; with a message it is an annotated one, made by the tagger at that time."""

    name: str
    message: str | None = None
    tagger: Person | None = None
    at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit and what happens right after it.

    ``write`` maps paths to templates, ``edit`` paths to pairs of old and new text, one after the other,
    ``move`` old to new paths (moves come before edits); ``dvc`` and ``lfs`` map paths to contents that
    these tools keep. A ``merge`` takes in a branch; what a merge writes is the
    solution of its conflicts.
    """

    title: str
    author: Person
    at: str
    body: str = ""
    branch: str = "main"
    write: dict[str, str] = field(default_factory=dict)
    edit: dict[str, tuple[str, ...]] = field(default_factory=dict)
    dvc: dict[str, str] = field(default_factory=dict)
    lfs: dict[str, str] = field(default_factory=dict)
    move: dict[str, str] = field(default_factory=dict)
    delete: tuple[str, ...] = ()
    merge: str | None = None
    committer: Person | None = None
    committed_at: str | None = None
    starts: tuple[str, ...] = ()
    tags: tuple[Tag, ...] = ()
    trainings: tuple[Training, ...] = ()


ADA = Person(name="Ada Lindqvist", email="ada@example.org", login="ada")
BEN = Person(name="Ben Okafor", email="ben@example.org", login="ben")
BEN_TOO = Person(name="ben okafor", email="ben@example.org", login="ben")
CHLOE = Person(name="Chloé Durand", email="chloe@example.org", login="chloe")

FOREST = "feature/forest"

UNCOMMITTED = """    from mlflow.genai import enable_git_model_versioning

    with Run("judge") as run:
        said = enable_git_model_versioning().active_model
        run.count["models"].append({"model_id": said.model_id, "name": said.name, "params": 0, "metric_points": 0})
"""
"""A change that nobody committed: it has MLflow record the state of the work tree."""

STORY = (
    Commit(
        title="Start the project",
        author=ADA,
        at="2024-03-04T09:12:00+01:00",
        write={"README.md": "readme.md", ".gitignore": "gitignore", "requirements.txt": "requirements.txt"},
    ),
    Commit(
        title="Train a first decision tree",
        author=ADA,
        at="2024-03-04T15:40:21+01:00",
        body="Something to compare with: a small tree that can be read.",
        write={"train.py": "train_tree.py", "tracking.py": "tracking.py", "params.json": "params_tree.json"},
        edit={"README.md": ("## Data", "## Training\n\n    python train.py\n\n## Data")},
        tags=(Tag(name="first-model"),),
        trainings=(Training(command=("train.py",), user=ADA, experiment="wine-quality"),),
    ),
    Commit(
        title="Learn in steps and log the loss of each",
        author=BEN,
        at="2024-03-05T10:02:45-05:00",
        body="Co-authored-by: Ada Lindqvist <Ada@Example.org>",
        write={"train.py": "train_steps.py", "params.json": "params_steps.json"},
        trainings=(
            Training(command=("train.py",), user=BEN, experiment="wine-quality"),
            Training(command=("train.py", "scratch"), user=BEN, experiment="scratch"),
        ),
    ),
    Commit(
        title="Describe the data",
        author=CHLOE,
        at="2024-03-06T08:30:00+01:00",
        write={
            "docs/notes on data.md": "notes.md",
            "docs/régions.md": "regions.md",
            "docs/plan.md": "plan.md",
        },
        edit={
            "train.py": (
                "from sklearn.datasets import load_wine\n",
                "import numpy\n",
                "SOURCE = None",
                'SOURCE = "data/wine.csv"',
                "    wines = load_wine()\n",
                '    wines = numpy.loadtxt(SOURCE, delimiter=",", skiprows=1)\n',
                "wines.data, wines.target,",
                "wines[:, 1:], wines[:, 0].astype(int),",
            )
        },
        dvc={"data/wine.csv": "wines"},
        lfs={"data/growers.csv": "growers"},
    ),
    Commit(
        title="Move the code into src",
        author=ADA,
        at="2024-03-07T11:25:10+01:00",
        move={"train.py": "src/train.py", "tracking.py": "src/tracking.py"},
        edit={
            "src/train.py": ("python train.py [", "python src/train.py ["),
            "README.md": ("python train.py", "python src/train.py"),
        },
        starts=(FOREST,),
        trainings=(Training(command=("src/train.py",), user=ADA, experiment="wine-quality"),),
    ),
    Commit(
        title="Search a grid of forests",
        author=CHLOE,
        at="2024-03-08T14:00:00+01:00",
        branch=FOREST,
        write={"src/grid_search.py": "grid_search.py"},
        edit={"params.json": ('"alpha": 0.001', '"alpha": 0.001,\n  "depths": [1, 2, 4],\n  "trees": 10')},
        delete=("docs/plan.md",),
    ),
    Commit(
        title="Learn faster",
        author=BEN_TOO,
        at="2024-03-08T17:45:30-05:00",
        edit={"params.json": ('"learning_rate": 0.01', '"learning_rate": -0.02')},
        trainings=(Training(command=("src/train.py",), user=BEN, experiment="wine-quality", fails=True),),
    ),
    Commit(
        title="Mend the sign of the learning rate",
        author=BEN,
        at="2024-03-08T17:58:03-05:00",
        committer=ADA,
        committed_at="2024-03-11T08:15:00+01:00",
        edit={
            "params.json": (
                '"learning_rate": -0.02,\n  "alpha": 0.001',
                '"learning_rate": 0.02,\n  "alpha": 0.0005',
            )
        },
    ),
    Commit(
        title="Say which depth the search found best",
        author=CHLOE,
        at="2024-03-11T10:20:00+01:00",
        branch=FOREST,
        edit={
            "src/grid_search.py": (
                '        grid.tag("best depth", best)\n',
                '        grid.tag("best depth", best)\n'
                '        grid.text(json.dumps(scores), "search/accuracy by depth.json")\n',
            )
        },
        trainings=(Training(command=("src/grid_search.py",), user=CHLOE, experiment="grid-search"),),
    ),
    Commit(
        title="Merge the search over forests",
        author=ADA,
        at="2024-03-12T09:00:00+01:00",
        body="Both sides had changed the parameters: keep both, and learn for four more epochs.",
        merge=FOREST,
        write={"params.json": "params_merged.json"},
        trainings=(Training(command=("src/train.py",), user=ADA, experiment="wine-quality"),),
    ),
    Commit(
        title="Start the nightly build once more",
        author=BEN,
        at="2024-03-12T12:30:00-05:00",
    ),
    Commit(
        title="Drop the page on regions",
        author=ADA,
        at="2024-03-13T09:05:00+01:00",
        delete=("docs/régions.md",),
    ),
    Commit(
        title="Bring the page on regions back",
        author=CHLOE,
        at="2024-03-13T16:10:00+01:00",
        write={"docs/régions.md": "regions.md"},
    ),
    Commit(
        title="Judge the newest model by all wines",
        author=CHLOE,
        at="2024-03-13T17:25:00+01:00",
        body="The first wine of the data was measured again.",
        write={"src/evaluate.py": "evaluate.py"},
        dvc={"data/wine.csv": "wines, measured again"},
        trainings=(Training(command=("src/evaluate.py",), user=CHLOE, experiment="wine-quality"),),
    ),
    Commit(
        title="Release 1.0",
        author=ADA,
        at="2024-03-14T10:00:00+01:00",
        write={"CHANGELOG.md": "changelog.md"},
        edit={
            "src/train.py": (
                '        run.model(model, "linear", train_x)\n',
                '        run.model(model, "linear", train_x)\n        run.export(model, "exported/linear")\n',
            )
        },
        tags=(Tag(name="v1.0", message="The first release", tagger=ADA, at="2024-03-14T10:05:00+01:00"),),
        trainings=(Training(command=("src/train.py",), user=BEN, experiment="wine-quality"),),
    ),
    Commit(
        title="Grow more trees",
        author=CHLOE,
        at="2024-03-15T13:00:00+01:00",
        branch=FOREST,
        edit={"params.json": ('"trees": 10', '"trees": 25')},
    ),
    Commit(
        title="Say where the data comes from",
        author=BEN,
        at="2024-03-15T09:30:00-05:00",
        edit={"README.md": ("scikit-learn.", "scikit-learn, first published in 1991.")},
        trainings=(
            Training(
                command=("src/evaluate.py",),
                user=BEN,
                experiment="wine-quality",
                edit={"src/evaluate.py": ('    with Run("judge") as run:\n', UNCOMMITTED)},
            ),
        ),
    ),
)
