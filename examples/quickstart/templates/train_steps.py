"""Learn a linear model of the wines in steps: python train.py [EXPERIMENT]."""

import json
import sys
from pathlib import Path

import mlflow
from sklearn.datasets import load_wine
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import classification_report, confusion_matrix, log_loss
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler
from tracking import Run

SOURCE = None


def split(params):
    """The wines on one scale, as training and validation features and targets."""
    wines = load_wine()
    train_x, test_x, train_y, test_y = train_test_split(
        wines.data, wines.target, test_size=params["test_share"], random_state=params["seed"]
    )
    scaler = StandardScaler().fit(train_x)
    return scaler.transform(train_x), scaler.transform(test_x), train_y, test_y


def learn(run, params, train_x, train_y, test_x, test_y):
    """The model after the last epoch; each epoch logs its loss and accuracy."""
    model = SGDClassifier(
        loss="log_loss",
        learning_rate="constant",
        eta0=params["learning_rate"],
        alpha=params["alpha"],
        random_state=params["seed"],
    )
    perfect = float("nan")
    for epoch in range(1, params["epochs"] + 1):
        model.partial_fit(train_x, train_y, classes=[0, 1, 2])
        accuracy = model.score(test_x, test_y)
        run.metric("loss", log_loss(train_y, model.predict_proba(train_x)), step=epoch)
        run.metric("accuracy", accuracy, step=epoch)
        if accuracy == 1 and perfect != perfect:
            perfect = epoch
    run.metric("epochs to a perfect score", perfect)
    return model


def main(experiment="wine-quality"):
    params = json.loads(Path("params.json").read_text(encoding="utf-8"))
    train_x, test_x, train_y, test_y = split(params)
    mlflow.set_experiment(experiment)
    with Run("linear") as run:
        run.params(params)
        run.tag("family", "linear")
        run.dataset(train_x, train_y, "wine-train", "training", SOURCE)
        run.dataset(test_x, test_y, "wine-validation", "validation", SOURCE)
        model = learn(run, params, train_x, train_y, test_x, test_y)
        guesses = model.predict(test_x)
        run.text(str(confusion_matrix(test_y, guesses)), "reports/validation/confusion.txt")
        run.text(classification_report(test_y, guesses), "reports/validation/by class.txt")
        run.model(model, "linear", train_x)


if __name__ == "__main__":
    main(*sys.argv[1:])
