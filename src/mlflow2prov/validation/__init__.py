"""Validation: the definitions, inferences and constraints of PROV-CONSTRAINTS, and the shapes of our vocabulary."""
