"""Judge the newest linear model by all wines: python src/evaluate.py."""

import json
from pathlib import Path

import mlflow
import numpy
from tracking import Run
from train import split


def newest(experiment):
    """The logged model of the experiment that was made last."""
    number = mlflow.get_experiment_by_name(experiment).experiment_id
    models = mlflow.search_logged_models(
        experiment_ids=[number],
        filter_string="name = 'linear'",
        order_by=[{"field_name": "creation_time", "ascending": False}],
        max_results=1,
        output_format="list",
    )
    return models[0].model_id


def main():
    params = json.loads(Path("params.json").read_text(encoding="utf-8"))
    train_x, test_x, train_y, test_y = split(params)
    wines, growers = numpy.concatenate([train_x, test_x]), numpy.concatenate([train_y, test_y])
    model_id = newest("wine-quality")
    model = mlflow.sklearn.load_model(f"models:/{model_id}")
    mlflow.set_experiment("wine-quality")
    with Run("judge") as run:
        run.judge(model_id, "accuracy on all", model.score(wines, growers), wines, growers, "wine-all")


if __name__ == "__main__":
    main()
