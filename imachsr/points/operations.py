"""What a recorded operation does, told by its ATen name and by what it reads."""

from __future__ import annotations

from .recording import Operation

RESHAPES = {
    "view",
    "_unsafe_view",
    "reshape",
    "_reshape_alias",
    "permute",
    "transpose",
    "t",
    "clone",
    "contiguous",
    "expand",
    "unsqueeze",
    "squeeze",
    "alias",
    "slice",
    "select",
    "unbind",
    "split",
    "split_with_sizes",
    "chunk",
    "roll",
    "flip",
    "constant_pad_nd",
    "_to_copy",
    "copy",
    "write",
    "unfold",
}
ACTIVATIONS = {
    "relu",
    "gelu",
    "silu",
    "sigmoid",
    "tanh",
    "hardtanh",
    "hardswish",
    "hardsigmoid",
    "leaky_relu",
    "rrelu_with_noise",
    "elu",
    "mish",
    "softplus",
    "softshrink",
    "_prelu_kernel",
    "threshold",
    "clamp_min",
    "clamp",
    "log_sigmoid_forward",
}
JOINS = {"add", "sub", "mul", "cat", "stack", "maximum"}
PRODUCTS = {"mm", "addmm", "bmm", "baddbmm", "matmul"}


def weighted(operation: Operation) -> bool:
    """A convolution or matrix product with weights."""
    return bool(operation.flops and operation.parameters)


def reshapes(operation: Operation) -> bool:
    """Nothing but a new arrangement of the same numbers, scaled at most."""
    scaled = operation.name in ("mul", "div", "add", "native_dropout") and len(operation.inputs) == 1
    return operation.name in RESHAPES or scaled


def pads(operation: Operation) -> bool:
    """Nothing but a margin is added."""
    return "_pad" in operation.name


def raises(operation: Operation) -> bool:
    """What is larger after it was brought to a higher resolution, neither rearranged nor given a margin."""
    return not (pads(operation) or reshapes(operation) or operation.name == "convolution")  # which pads by itself


def resizes(operation: Operation) -> bool:
    """Padding or interpolation, each channel for itself."""
    return pads(operation) or "upsample" in operation.name


def normalizes(operation: Operation) -> bool:
    """A normalization by a fused operation."""
    return operation.name.endswith(("_norm", "norm_legit", "batch_norm_with_update")) and "linalg" not in operation.name


def activates(operation: Operation) -> bool:
    """A pointwise nonlinearity."""
    return operation.name in ACTIVATIONS and len(operation.inputs) == 1


def joins(operation: Operation) -> bool:
    """Two or more branches become one."""
    return operation.name in JOINS and len(operation.inputs) > 1


def pointwise(operation: Operation) -> bool:
    """Reshapes, normalizes or activates: what stays the same thing."""
    return reshapes(operation) or normalizes(operation) or activates(operation)


def relates(operation: Operation) -> bool:
    """A matrix product of two values that both depend on the input."""
    return operation.name in PRODUCTS and len(operation.inputs) > 1


def attends(operation: Operation) -> bool:
    """A fused attention."""
    return "attention" in operation.name
