"""Results leave the viewer: files to download, and transfers to and from a PACS."""
