"""Questions to a graph in SQL and SPARQL that can only read, and nothing but the graph."""
