"""Fusion metrics: float64 functions of (fused, ct, mr) on grey images in 0..255."""
