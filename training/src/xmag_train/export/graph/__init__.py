"""What is done to the ONNX graph of a student: ranges, int8, and pixels taken as codes."""
