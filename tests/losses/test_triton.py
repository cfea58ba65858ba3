"""The CUDA kernels without a GPU: run by triton's interpreter, and compiled for a card that is not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

triton = pytest.importorskip("triton", reason="triton is not made for this platform")


def test_interpreted_kernels():
    script = Path(__file__).with_name("interpreted_kernels.py")
    environment = os.environ | {"TRITON_INTERPRET": "1"}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n")[:-1] == [
        f"{part} ok" for part in ("pixel_losses", "half_precision", "layouts", "finite", "refusals")
    ]


@pytest.mark.parametrize("name", ["sweep", "joint", "negative_entropy"])
def test_kernels_compile_for_hopper_without_spills(name, tmp_path, monkeypatch):
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    from imachsr.losses.kernels.triton import _sweeps

    constants = {
        "sweep": {"KP": 32, "PX": 64, "J": 32, "JOINT": False, "WANTED": True},
        "joint": {"KP": 32, "PX": 64, "LABELS": 32},
        "negative_entropy": {"CP": 64, "P": 64, "WANTED": True},
    }[name]
    integers = {"K", "h", "w", "H", "W", "C", "ignore_index", "positions", "inner", "across", "along", "leap"}
    tables = {"left_x", "right_x", "row_cuts", "column_cuts"}

    def kind(argument: str) -> str:
        if argument in constants:
            return "constexpr"
        if argument in integers:
            return "i32"
        if argument in {"hard", "even", "factor"}:
            return "fp32"
        return "*i64" if argument == "targets" else "*i32" if argument in tables else "*fp32"

    kernel = getattr(_sweeps, name)
    source = ASTSource(kernel, {a: kind(a) for a in kernel.arg_names}, constexprs=constants)
    compiled = triton.compile(source, target=GPUTarget("cuda", 90, 32))
    assert len(compiled.asm["cubin"]) > 0
    assert ".local" not in compiled.asm["ptx"]
