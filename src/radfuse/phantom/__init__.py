"""Cases to fuse: an anatomical phantom with known truth, and folders of image pairs."""
