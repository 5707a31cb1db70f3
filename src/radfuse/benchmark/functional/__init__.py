"""Benchmarks of PET-MR and SPECT-MR pairs: fused in grey and in colour, and what is kept."""
