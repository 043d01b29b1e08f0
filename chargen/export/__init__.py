"""A model for somewhere else: a page for any browser, a graph for ONNX, a smaller checkpoint.

Reads checkpoints and never changes one.
"""
