"""Measurements of mlflow2prov against Git, SQLite and the prov library: ``python -m benchmarks``.

Everything that is measured runs as a child process on inputs that are generated here, so that each figure
is a ratio within one run on one machine.
"""
