"""Image filters that fusion methods build on; arrays of shape (N, H, W)."""
