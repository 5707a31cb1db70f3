"""What the service keeps on disk: studies, structures, results, uploads."""
