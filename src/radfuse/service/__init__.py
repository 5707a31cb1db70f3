"""The local viewer and its REST API: select, fuse, review, sign off, draw structures."""
