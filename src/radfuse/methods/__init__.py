"""Fusion methods, called as method(ct, mr) on float32 (N, H, W) in [0, 1]; fused likewise."""
