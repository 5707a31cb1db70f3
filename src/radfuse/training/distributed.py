"""Data-parallel training: processes train one network, each on its shard of every batch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from radfuse.errors import InputError

BATCH_NORM_BUFFERS = ("running_mean", "running_var")
"""Names of the buffers of batch normalisation."""


@dataclass(frozen=True)
class ProcessGroup:
    """One process of those that train together. All hold the same state at every step."""

    rank: int = 0
    world_size: int = 1

    @property
    def is_main(self) -> bool:
        """Whether this process validates and writes."""
        return self.rank == 0

    def shard(self, batch: Tensor) -> Tensor:
        """The process's part of a batch; `InputError` where the batch has no equal parts."""
        if len(batch) % self.world_size:
            raise InputError(
                f"a batch of {len(batch)} has no equal parts for {self.world_size} processes"
            )
        return batch[self.rank :: self.world_size]

    def average_gradients(self, network: nn.Module) -> None:
        """Replace gradients by their mean over the processes: the gradient of the whole batch."""
        self._replace_by_mean([p.grad for p in network.parameters() if p.grad is not None])

    def average_batch_norm(self, network: nn.Module) -> None:
        """Replace the running statistics of batch normalisation by their mean over processes."""
        named = network.named_buffers()
        self._replace_by_mean([t for name, t in named if name.endswith(BATCH_NORM_BUFFERS)])

    def average(self, values: dict[str, float]) -> dict[str, float]:
        """Means of values over the processes."""
        if self.world_size == 1:
            return values
        means = self._mean(torch.tensor([*values.values()], dtype=torch.float64))
        return dict(zip(values, means.tolist(), strict=True))

    def broadcast(self, value: float) -> float:
        """The main process's value, in every process."""
        if self.world_size == 1:
            return value
        message = torch.tensor([value], dtype=torch.float64, device=_message_device())
        distributed.broadcast(message, 0)
        return message.item()

    def barrier(self) -> None:
        """Wait until all processes have come here."""
        if self.world_size > 1:
            distributed.barrier()

    def _replace_by_mean(self, tensors: list[Tensor]) -> None:
        if self.world_size > 1 and tensors:
            flat = self._mean(torch.cat([tensor.flatten() for tensor in tensors]))
            sizes = [tensor.numel() for tensor in tensors]
            for tensor, part in zip(tensors, torch.split(flat, sizes), strict=True):
                tensor.copy_(part.view_as(tensor))

    def _mean(self, tensor: Tensor) -> Tensor:
        tensor = tensor.to(_message_device())
        distributed.all_reduce(tensor)
        return tensor / self.world_size


SINGLE_PROCESS = ProcessGroup()
"""One process alone."""


def _message_device() -> str:
    """The device of tensors that processes exchange."""
    return "cuda" if distributed.get_backend() == "nccl" else "cpu"


@contextmanager
def process_group(device: str) -> Iterator[ProcessGroup]:
    """Join the processes that `torchrun` started; `SINGLE_PROCESS` without it."""
    if "RANK" not in os.environ:
        yield SINGLE_PROCESS
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    yield ProcessGroup(distributed.get_rank(), distributed.get_world_size())
    distributed.destroy_process_group()  # after an error it would wait for the other processes
