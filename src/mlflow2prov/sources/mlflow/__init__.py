"""MLflow stores: one file for each way in; all fill the same source tables."""
