"""A model for programs that know nothing of chargen: a page for any browser, a graph for ONNX.

Reads checkpoints and never changes one.
"""
