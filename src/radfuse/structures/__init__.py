"""Structures on a grid: label maps, polygons, growing, interpolation, transfer."""
