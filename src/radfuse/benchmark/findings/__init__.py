"""Findings inserted into cases: what each method keeps of them."""
