"""The PROV standard as data: record kinds, namespaces, text."""
