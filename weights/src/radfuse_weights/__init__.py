"""Networks that radfuse compares: a folder for each, with ONNX graphs and model cards."""
