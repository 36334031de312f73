"""mlflow2prov: one W3C PROV graph from a Git history and an MLflow store."""

__version__ = "0.1.0"
