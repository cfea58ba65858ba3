"""Doctests of the CUDA kernels are collected only where triton is installed (it is not on macOS and Windows)."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("triton") else ["imachsr/losses/kernels/triton/*"]
