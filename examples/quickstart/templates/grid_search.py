"""Try forests of several depths, a run inside a run for each: python src/grid_search.py."""

import json
from pathlib import Path

import mlflow
from sklearn.ensemble import RandomForestClassifier
from tracking import Run
from train import SOURCE, split


def grow(params, depth, train_x, train_y):
    """A forest of the depth."""
    model = RandomForestClassifier(params["trees"], max_depth=depth, random_state=params["seed"])
    return model.fit(train_x, train_y)


def main():
    params = json.loads(Path("params.json").read_text(encoding="utf-8"))
    train_x, test_x, train_y, test_y = split(params)
    mlflow.set_experiment("grid-search")
    with Run("grid of forests") as grid:
        grid.params({"trees": params["trees"], "depths": params["depths"]})
        grid.dataset(train_x, train_y, "wine-train", "training", SOURCE)
        scores = {}
        for depth in params["depths"]:
            with Run(f"depth {depth}", parent=grid) as run:
                run.params({"trees": params["trees"], "depth": depth})
                model = grow(params, depth, train_x, train_y)
                scores[depth] = model.score(test_x, test_y)
                run.metric("accuracy", scores[depth])
        best = max(scores, key=scores.get)
        grid.metric("best accuracy", scores[best])
        grid.tag("best depth", best)
        grid.model(grow(params, best, train_x, train_y), "forest", train_x)


if __name__ == "__main__":
    main()
