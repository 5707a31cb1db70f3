"""Methods x cases x metrics: runs that resume, statistics, reports. Needs `radfuse[benchmark]`."""
