"""Fused losses for CUDA, compiled by triton when first used; `TRITON_INTERPRET=1` runs them on the CPU, slowly."""
