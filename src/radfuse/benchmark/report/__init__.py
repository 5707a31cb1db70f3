"""The report of a benchmark: HTML, Markdown, LaTeX, CSV and figures."""
