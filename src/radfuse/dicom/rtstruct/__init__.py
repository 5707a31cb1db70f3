"""RT Structure Sets: parse, rasterise onto slices, write."""
