"""The dashboard of a node: what an operator sees and does, health and metrics."""
