"""Torch networks of published fusion papers: trained here, exported to ONNX, run without torch."""
