"""Results in a notebook and in a web browser: three planes and what QA found."""
