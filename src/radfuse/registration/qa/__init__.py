"""Registration QA: the error of a pose in mm, its interval and its grade."""
