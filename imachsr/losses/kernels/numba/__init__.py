"""Fused losses for the CPU, compiled by numba when first used and kept in its cache."""
