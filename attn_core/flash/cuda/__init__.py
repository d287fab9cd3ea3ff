"""The CUDA kernels of the flash ladder: sources, their compiler, and their launch. Importing this package loads nothing."""
