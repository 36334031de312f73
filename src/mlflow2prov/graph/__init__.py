"""The graph: two record tables in DuckDB, and the operations on them."""
