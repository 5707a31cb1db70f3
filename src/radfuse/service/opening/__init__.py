"""What there is to open: folders of the server, and series."""
