"""Processes that train one network together, each on its share of every batch."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from radfuse.errors import InputError

STATISTICS = ("running_mean", "running_var")
"""Names of the buffers of batch normalisation."""


@dataclass(frozen=True)
class Team:
    """A process among those that train together. All hold the same state at every step."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the one that validates and writes."""
        return self.rank == 0

    def share(self, batch: Tensor) -> Tensor:
        """The process's part of a batch; `InputError` where it has no equal parts."""
        if len(batch) % self.size:
            raise InputError(
                f"a batch of {len(batch)} has no equal parts for {self.size} processes"
            )
        return batch[self.rank :: self.size]

    def average_gradients(self, network: nn.Module) -> None:
        """Replace gradients by their mean over the team: that of the whole batch."""
        self._average_in_place([p.grad for p in network.parameters() if p.grad is not None])

    def average_statistics(self, network: nn.Module) -> None:
        """Replace running statistics, each process's of its own images, by their mean."""
        named = network.named_buffers()
        self._average_in_place([tensor for name, tensor in named if name.endswith(STATISTICS)])

    def average(self, values: dict[str, float]) -> dict[str, float]:
        """Means of values over the team."""
        if self.size == 1:
            return values
        means = self._mean(torch.tensor([*values.values()], dtype=torch.float64))
        return dict(zip(values, means.tolist(), strict=True))

    def told(self, value: float) -> float:
        """The leader's value."""
        if self.size == 1:
            return value
        message = torch.tensor([value], dtype=torch.float64, device=_device())
        distributed.broadcast(message, 0)
        return message.item()

    def wait(self) -> None:
        """Until all have come here."""
        if self.size > 1:
            distributed.barrier()

    def _average_in_place(self, tensors: list[Tensor]) -> None:
        if self.size > 1 and tensors:
            flat = self._mean(torch.cat([tensor.flatten() for tensor in tensors]))
            sizes = [tensor.numel() for tensor in tensors]
            for tensor, part in zip(tensors, torch.split(flat, sizes), strict=True):
                tensor.copy_(part.view_as(tensor))

    def _mean(self, tensor: Tensor) -> Tensor:
        tensor = tensor.to(_device())
        distributed.all_reduce(tensor)
        return tensor / self.size


ALONE = Team()
"""One process."""


def _device() -> str:
    """Where the team's messages must lie."""
    return "cuda" if distributed.get_backend() == "nccl" else "cpu"


@contextmanager
def joined_team(device: str) -> Iterator[Team]:
    """The team that `torchrun` started this process in; alone without it."""
    if "RANK" not in os.environ:
        yield ALONE
        return
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    distributed.init_process_group("nccl" if device == "cuda" else "gloo")
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()
