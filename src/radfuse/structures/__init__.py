"""Structures on a grid: label maps, polygons, region growing, interpolation, transfer."""
