"""Train a decision tree on the wines: python train.py."""

import json
from pathlib import Path

import mlflow
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from sklearn.tree import DecisionTreeClassifier, export_text
from tracking import Run

params = json.loads(Path("params.json").read_text(encoding="utf-8"))
wines = load_wine()
train_x, test_x, train_y, test_y = train_test_split(
    wines.data, wines.target, test_size=params["test_share"], random_state=params["seed"]
)

mlflow.set_experiment("wine-quality")
with Run("first tree") as run:
    run.params(params)
    model = DecisionTreeClassifier(max_depth=params["max_depth"], random_state=params["seed"])
    model.fit(train_x, train_y)
    run.metric("accuracy", model.score(test_x, test_y))
    run.text(export_text(model, feature_names=wines.feature_names), "tree.txt")
    run.model(model, "tree", train_x)
