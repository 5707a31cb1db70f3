"""From parameters to an ONNX graph and its model card."""
