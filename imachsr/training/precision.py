"""Arithmetic in fewer bits: autocast around the forward pass, and a scale that keeps small fp16 gradients from zero."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch

DTYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
LEAST_SCALE = 1.0  # below it an overflow is no longer the scale's fault


class Precision:
    """How the forward pass computes: "fp32" as the tensors are, "bf16" or "fp16" by autocast; losses stay in float32.

    fp16 multiplies the loss by a scale; a step whose gradients overflow is left out and the scale halved, which is the
    rule of the game and counted, not an alarm. Where no scale helps it is one.
    """

    def __init__(self, name: str, device: torch.device) -> None:
        if name not in DTYPES:
            raise ValueError(f"got precision={name!r}; it is one of {[*DTYPES]}; choose one")
        self.dtype, self.device = DTYPES[name], device
        self.scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16")

    def autocast(self) -> AbstractContextManager:
        """Around the forward pass and the losses."""
        return torch.autocast(self.device.type, self.dtype) if self.dtype else nullcontext()

    def forgives(self) -> bool:
        """Whether gradients that overflow are the scale's doing."""
        return self.scaler.is_enabled() and self.scaler.get_scale() > LEAST_SCALE
