"""The sources: each reads one place and yields Arrow batches of source tables, with no PROV in them."""
