"""The provenance model: what the source tables mean, as declared events, and their interpreter."""
