"""What a model is: its header, tensors, quantization rules and layers. Pure."""
