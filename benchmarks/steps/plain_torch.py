"""CSS in plain PyTorch, as a good user of it would write it by hand.

Networks, losses and optimiser from the formulas of arXiv 2203.11660 in its
released form. Masks are made once and live on the device; nothing is copied
to the host in a step.
"""

import torch
import torch.nn.functional as F
from torch import nn

TEMPERATURE = 3.0
MOMENTUM, DECAY = 0.9, 5e-4


def convolution(inputs, filters, size, stride=1):
    return nn.Conv2d(
        inputs, filters, size, stride, padding=size // 2, bias=False
    )


class Block(nn.Module):
    """A residual block: two 3x3, or 1x1, 3x3, 1x1 with four times the width."""

    def __init__(self, kind, inputs, filters, stride):
        super().__init__()
        if kind == "basic":
            plan = [(filters, 3, stride), (filters, 3, 1)]
        else:
            plan = [(filters, 1, 1), (filters, 3, stride), (4 * filters, 1, 1)]
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        width = inputs
        for out, size, step in plan:
            self.convs.append(convolution(width, out, size, step))
            self.norms.append(nn.BatchNorm2d(out))
            width = out
        self.shortcut = None
        if stride != 1 or inputs != width:
            self.shortcut = nn.Sequential(
                convolution(inputs, width, 1, stride), nn.BatchNorm2d(width)
            )

    def forward(self, x):
        y = x
        last = len(self.convs) - 1
        for i, (conv, norm) in enumerate(zip(self.convs, self.norms)):
            y = norm(conv(y))
            if i < last:
                y = F.relu(y, inplace=True)
        shortcut = x if self.shortcut is None else self.shortcut(x)
        return F.relu(y + shortcut, inplace=True)


def stage(kind, inputs, filters, count, stride):
    """Returns `count` blocks and their output's width."""
    width = filters * (4 if kind == "bottleneck" else 1)
    blocks = [Block(kind, inputs, filters, stride)]
    blocks += [Block(kind, width, filters, 1) for _ in range(count - 1)]
    return nn.Sequential(*blocks), width


class Network(nn.Module):
    """Trunk, erased corners, a last stage and a joint head for each branch."""

    def __init__(self, spec, branches, classes):
        super().__init__()
        if spec.stem == "cifar":
            base = 16
            self.stem = nn.Sequential(
                convolution(3, base, 3), nn.BatchNorm2d(base), nn.ReLU(True)
            )
        else:
            base = 64
            self.stem = nn.Sequential(
                convolution(3, base, 7, 2),
                nn.BatchNorm2d(base),
                nn.ReLU(True),
                nn.MaxPool2d(3, 2, 1),
            )
        stages, width = [], base
        for i, count in enumerate(spec.blocks[:-1]):
            stride = 1 if i == 0 else 2
            made, width = stage(spec.block, width, base << i, count, stride)
            stages.append(made)
        self.stages = nn.Sequential(*stages)
        tails = [
            stage(
                spec.block,
                width,
                base << (len(spec.blocks) - 1),
                spec.blocks[-1],
                2,
            )
            for _ in range(branches)
        ]
        self.tails = nn.ModuleList([tail for tail, _ in tails])
        self.heads = nn.ModuleList(
            [nn.Linear(out, classes * branches) for _, out in tails]
        )
        self.masks = None

    def forward(self, x):
        x = self.stages(self.stem(x))
        if self.masks is None:
            self.masks = corner_masks(x, len(self.tails))
        logits = []
        for mask, tail, head in zip(self.masks, self.tails, self.heads):
            logits.append(head(tail(x * mask).mean((2, 3))))
        return torch.stack(logits, 1)


def corner_masks(features, branches):
    """Returns `(1, 1, h, w)` masks without a quarter-sided corner each."""
    height, width = features.shape[2:]
    h, w = height // 4, width // 4
    top, bottom = slice(0, h), slice(height - h, height)
    left, right = slice(0, w), slice(width - w, width)
    corners = [(top, left), (bottom, right), (bottom, left), (top, right)]
    masks = []
    for rows, columns in corners[:branches]:
        mask = torch.ones(
            1, 1, height, width, dtype=features.dtype, device=features.device
        )
        mask[:, :, rows, columns] = 0
        masks.append(mask)
    return masks


def css_loss(first, second, labels):
    """Returns the sum of both networks' losses; logits `(B, n, C * n)`."""
    branches = first.shape[1]
    index = torch.arange(branches, device=labels.device)
    joint = labels[:, None] * branches + index
    ce = [
        F.cross_entropy(z.flatten(0, 1), joint.flatten())
        for z in (first, second)
    ]
    logs = [F.log_softmax(z / TEMPERATURE, dim=2) for z in (first, second)]
    total = 0.0
    for own, other in ((0, 1), (1, 0)):
        kl = F.kl_div(logs[own], logs[other], log_target=True, reduction="none")
        kd = TEMPERATURE**2 * kl.sum(2).mean()
        total = total + ce[own] + ce[own] / ce[other] * kd
    return total


class PlainStep:
    """An eager training loop over images that live on the device.

    Args:
        case: A `Case`.
        weights: Dict from parameter name to an array (`names.py`).
        device: A torch device.
        channels_last: Whether images and weights are kept in that layout.
        compiled: Whether forward pass and loss go through `torch.compile`.
        precision: `"float32"` or `"bfloat16"` (autocast).
    """

    def __init__(
        self,
        case,
        weights,
        device,
        channels_last=False,
        compiled=False,
        precision="float32",
    ):
        layout = torch.channels_last if channels_last else None
        self.networks = nn.ModuleList(
            [Network(s, case.branches, case.classes) for s in case.networks]
        )
        missing = self.networks.load_state_dict(
            {k: torch.from_numpy(v) for k, v in weights.items()}, strict=False
        )
        named = [k for k in missing.missing_keys if "num_batches" not in k]
        assert not named and not missing.unexpected_keys, missing
        self.networks.to(device, memory_format=layout)
        self.optimizer = torch.optim.SGD(
            self.networks.parameters(),
            lr=case.rate,
            momentum=MOMENTUM,
            weight_decay=DECAY,
        )
        self.layout, self.device = layout, device
        self.autocast = precision == "bfloat16"
        self.forward = self._forward
        if compiled:
            # Small kernels take longer to launch than to compute: CUDA graphs.
            mode = "reduce-overhead" if device.type == "cuda" else None
            self.forward = torch.compile(self._forward, mode=mode)

    def _forward(self, images, labels):
        with torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.autocast
        ):
            first, second = (network(images) for network in self.networks)
        return css_loss(first.float(), second.float(), labels)

    def step(self, images, labels):
        """Takes one step; returns the loss, on the device."""
        if self.layout is not None:
            images = images.to(memory_format=self.layout)
        loss = self.forward(images, labels)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.optimizer.step()
        return loss.detach()
