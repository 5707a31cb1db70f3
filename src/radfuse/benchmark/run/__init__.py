"""Run a benchmark: plan, methods, work items, tables on disk."""
