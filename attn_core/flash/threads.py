"""Independent steps on all cores: each thread computes whole steps alone, so that no operation waits for another core.

Torch splits every single operation among all threads and waits for the slowest; with a dozen operations per tile that wait
dominates as soon as another program uses one of the cores. Here a thread takes a step, runs its operations with one
thread, and takes the next. The threads live as long as one call, so that nothing survives a fork.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import torch

Step = TypeVar("Step")


def run_each(compute: Callable[[Step], None], steps: Sequence[Step], device: torch.device) -> None:
    """Call `compute` with every step: on a CPU in as many threads as torch has been given, elsewhere one by one."""
    threads = torch.get_num_threads()
    workers = min(threads, len(steps)) if device.type == "cpu" else 1
    if workers <= 1:
        for step in steps:
            compute(step)
        return
    inference = torch.is_inference_mode_enabled()

    def compute_alone(step: Step) -> None:
        with torch.inference_mode() if inference else torch.no_grad():  # both belong to a thread
            compute(step)

    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for _ in pool.map(compute_alone, steps):
                pass
    finally:
        torch.set_num_threads(threads)  # the setting is a thread's own, but also the default of threads to come
