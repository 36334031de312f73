"""``python -m mlflow2prov``."""

from mlflow2prov.cli import main

main()
