"""The parts of `attn_core.lab.block_simulator`, which is what kernels are launched with."""
