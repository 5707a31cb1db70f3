"""From the files of a scanner to volumes: scan, group slices, decode, check geometry."""
