"""The fast twins of the losses, imported only when used: same names and arguments as the references, other insides.

| impl | where | how |
|---|---|---|
| `numba` | CPU, half and single precision | compiled sweeps over cache-sized tiles, on torch's number of threads |
| `triton` | CUDA, half and single precision, up to 256 classes | tiles, and no float atomics |
| `chunked` | anywhere | plain torch on strips that fit the cache |

Nothing of label size is kept: a forward pass leaves the loss and its gradient (B, K, h, w) at the logits' own
resolution, which backward only scales. Second derivatives are refused; the reference has them.
"""
