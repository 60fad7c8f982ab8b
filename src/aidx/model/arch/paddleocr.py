"""PaddleOCR-VL: its text model is ERNIE 4.5's; positions have three parts."""

from aidx.model.arch import _attention, _dense

NAMES = ("paddleocr",)
layers = _attention.layers
tensors = _dense.Variant().tensors
