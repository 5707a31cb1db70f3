"""Export trained or published parameters as an ONNX file with a model card."""
