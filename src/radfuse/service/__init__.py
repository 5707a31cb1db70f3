"""A local web page: open CT and MR, watch the fusion run, look, sign off."""
