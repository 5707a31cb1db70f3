"""Fusion metrics: float64 functions of (fused, ct, mr) on grey levels from 0 to 255."""
