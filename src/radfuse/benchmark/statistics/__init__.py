"""Statistics that account for within-patient correlation."""
