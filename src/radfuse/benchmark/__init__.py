"""Compares methods on cases by metrics: runs, statistics, reports. Needs `radfuse[benchmark]`."""
