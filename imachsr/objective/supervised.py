"""The module that trains a network and the losses inside it together.

Axes: B images, K classes, C channels at a point, (h, w) features, (H, W) labels, M points.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from inspect import signature
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..adapters import DimensionAdapter
from ..losses import transformed
from ..points import Capture, Point, answer, auxiliary_of, logits_of, several
from .checks import check_asked, check_aspect, check_device, check_logits
from .clusters import Merged
from .scheme import Loss, Scheme, set_as
from .shares import Shares
from .weights import Term, Weights

AUXILIARY = 0.4  # weight of a network's own auxiliary logits (PSPNet, OCR), where it has no `auxiliary_weight`
PATIENCE = 50  # steps in a row a point may be skipped; at a chance of 1/2 this happens once in 10^15


class Losses(NamedTuple):
    """One step's losses.

    Attributes:
        total: L_T, a scalar to call backward() on.
        terms: name of each term ("output", "POINT/supervision", "POINT/regularizer", and "auxiliary" where the network
            returns second logits of its own) -> its value before weighting, times its share where the batch is a part
            of one; a point that was skipped in this step has none.
        logits: the network's own logits (B, K, h, w), detached.
    """

    total: Tensor
    terms: dict[str, Tensor]
    logits: Tensor


class Supervised(nn.Module):
    """A network with losses inside: one module that holds the network, the capture of its points and their adapters.

    Attributes to look at: `weights.now()`, what each term is multiplied by; `skipped`, point -> steps in which its
    layer was dropped at random, so that it had no terms.

    Args:
        network: images to logits, or to a tuple, dict (`out`, `logits`) or object (`.logits`) of them.
        points: from `choose_points`; none for a scheme that asks nothing inside.
        scheme: what to ask there, see `scheme`.
        classes: K of the labels.
        ignore_index: label of pixels that count nowhere.

    Raises:
        TypeError, ValueError: a scheme, points or classes that nothing can be trained with, see `checks`.

    >>> import imachsr
    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 2, 1))
    >>> points = imachsr.choose_points(imachsr.find_points(network, torch.zeros(2, 3, 8, 8)), 1)
    >>> trainee = Supervised(network, points, imachsr.scheme("imachsr"), classes=2)
    >>> losses = trainee(torch.rand(2, 3, 8, 8), torch.randint(0, 2, (2, 8, 8)))
    >>> losses.total.backward()
    >>> trainee.release() is network
    True
    """

    def __init__(
        self, network: nn.Module, points: Sequence[Point], scheme: Scheme, *, classes: int, ignore_index: int = 255
    ) -> None:
        super().__init__()
        check_asked(network, points, scheme, classes, ignore_index)
        if not scheme.uses_points:
            points = ()
        classes, ignore_index = int(classes), int(ignore_index)
        self.network, self.scheme, self.classes, self.ignore_index = network, scheme, classes, ignore_index
        self.points = tuple(points)
        self.skipped: dict[str, int] = {}
        self._streaks: dict[str, int] = {}
        self._output = _given(scheme.output, ignore_index)
        self._supervision = _given(scheme.supervision, ignore_index) if scheme.supervision else None
        weight = next(filter(torch.is_floating_point, network.parameters()), torch.empty(0))
        device, dtype = weight.device, weight.dtype
        self.weights = Weights(scheme, [point.name for point in self.points]).to(device)
        self._merged = Merged(scheme.clusters, len(self.points), classes, ignore_index).to(device)
        sizes = self._merged.sizes or [classes] * len(self.points)
        self.adapters = nn.ModuleList()
        if scheme.supervision is not None:
            self.adapters = _brought(network, self.points, sizes) or nn.ModuleList(
                DimensionAdapter(point.channels, size).to(device, dtype)
                for point, size in zip(self.points, sizes, strict=True)
            )
        self.capture = Capture(network, self.points)
        self.released = False

    @property
    def progress(self) -> float:
        """Share of the training done, from 0 to 1: set it before each step where the scheme has a schedule."""
        return self.weights.progress

    @progress.setter
    def progress(self, value: float) -> None:
        self.weights.progress = value

    def forward(self, images: Tensor | Sequence[Tensor], targets: Tensor, shares: Shares | None = None) -> Losses:
        """The loss terms of one batch (Algorithm 1: forward pass and loss computation).

        Args:
            images: (B, 3, H, W), or a tuple or list for networks of several inputs.
            targets: labels (B, H, W), or (B,) for classification; int64.
            shares: where this batch is a part of a larger one, what it holds of it: the parts' totals then add
                up, but for constants, see `share_of`.

        Raises:
            TypeError, ValueError: labels, or logits of the network, that do not belong together.
            RuntimeError: a point that cannot be taught any more: hooks or gradients are gone; or a replica.
        """
        inputs = several(images)
        check_aspect(inputs[0], targets)
        output = self._answer(inputs)
        logits = logits_of(output)
        check_logits(logits, self.classes)
        check_device(logits, targets)
        terms = {"output": self.weights.ask("output", self._output, logits, targets, shares=shares)}
        if (auxiliary := auxiliary_of(output)) is not None:
            check_logits(auxiliary, self.classes, "aux")
            self.weights.base.setdefault("auxiliary", getattr(self.network, "auxiliary_weight", AUXILIARY))
            terms["auxiliary"] = self.weights.ask("auxiliary", self._output, auxiliary, targets, shares=shares)
        covered = self.targets_covered(inputs[0], targets)
        for m, features in enumerate(self.capture.read(skipped=self.training)):
            if features is None:
                self._note_skipped(self.points[m].name)
            else:
                terms.update(self._terms_at(m, features, covered, shares))
        if self.weights.measuring and self.training and torch.is_grad_enabled():
            self.weights.measure(terms, [p for p in self.network.parameters() if p.requires_grad])
        total = self.weights.total(terms) + self._idle(terms)
        return Losses(total, {name: term.part.detach() for name, term in terms.items()}, logits.detach())

    def _answer(self, inputs: tuple[Tensor, ...]) -> Any:
        """What the network returns, while its points are captured."""
        if self.released:
            raise RuntimeError(
                "got a trainee that was released; its points are captured no more; make a new Supervised, or call the "
                "network itself"
            )
        if getattr(self, "_is_replica", False):
            raise RuntimeError(
                "got a replica that DataParallel made; replicas share one set of hooks, and would read each other's "
                "features; wrap the Supervised in DistributedDataParallel, one process per device"
            )
        return answer(self.network, *inputs)

    def _terms_at(self, m: int, features: Tensor, targets: Tensor, shares: Shares | None) -> dict[str, Term]:
        terms, point = {}, self.points[m].name
        if self._streaks:
            self._streaks.pop(point, None)
        if self._teaches_nothing(features):
            raise RuntimeError(
                f"got features without a gradient at point {point!r}; a loss there reaches no weight of the network; "
                "choose points behind a trainable layer, in the part that runs with gradients"
            )
        if self._supervision is not None:
            adapted = self.adapters[m](features, pool=targets.ndim == 1)
            name = f"{point}/supervision"
            terms[name] = self.weights.ask(name, self._supervision, adapted, self._merged(m, targets), shares=shares)
        if self.scheme.regularizer is not None:
            name = f"{point}/regularizer"
            terms[name] = self.weights.ask(name, self.scheme.regularizer, features, shares=shares)
        return terms

    def _teaches_nothing(self, features: Tensor) -> bool:
        """Whether a loss there reaches no weight of a network that has some to train."""
        if features.requires_grad or not (self.training and torch.is_grad_enabled()) or transformed():
            return False
        return any(weight.requires_grad for weight in self.network.parameters())

    def point_logits(self, images: Tensor | Sequence[Tensor]) -> list[Tensor]:
        """What the adapter, if any, at each point predicts (B, K, h, w), and last the network itself.

        At a point the logits cover what the features cover, see `targets_covered`.
        """
        logits = logits_of(self._answer(several(images)))
        features = self.capture.read()
        read = zip(self.adapters, features, strict=True) if self.adapters else ()
        return [*(adapter(features) for adapter, features in read), logits]

    def _note_skipped(self, point: str) -> None:
        if point in self.capture.lost(self.network):
            raise RuntimeError(
                f"got no features at point {point!r}: another module has taken the place of the one that had its hook; "
                "points belong to the modules they were chosen in; convert the network (SyncBatchNorm, quantization) "
                "before its points are found"
            )
        self.skipped[point] = self.skipped.get(point, 0) + 1
        self._streaks[point] = self._streaks.get(point, 0) + 1
        if self._streaks[point] == PATIENCE:
            raise RuntimeError(
                f"got no features at point {point!r} in {PATIENCE} steps in a row; layers skipped at random come back; "
                "find and choose the points again, in train mode and with the kind of inputs trained on"
            )

    def _idle(self, terms: dict[str, Term]) -> Tensor | float:
        """A zero that reaches the adapters without a term, so that each has a gradient in every step (for DDP)."""
        names = [f"{point.name}/supervision" for point in self.points] if self.adapters else []
        idle = [m for m, name in enumerate(names) if name not in terms or not self.weights.counts(name)]
        return sum((0.0 * parameter.sum() for m in idle for parameter in self.adapters[m].parameters()), 0.0)

    def targets_covered(self, images: Tensor, targets: Tensor) -> Tensor:
        """Labels (B, H, W) over the area the features cover: a network that pads its input says so by `padded_size`."""
        padded_size = getattr(self.network, "padded_size", None)
        if padded_size is None or targets.ndim == 1:
            return targets
        sides = list(zip(padded_size(*images.shape[-2:]), images.shape[-2:], targets.shape[-2:], strict=True))
        if any((padded - image) * label % image for padded, image, label in sides):
            raise ValueError(
                f"got images {tuple(images.shape[-2:])}, labels {tuple(targets.shape[-2:])} and a network that pads; "
                "the padding must be whole label pixels; resize the labels to the images"
            )
        bottom, right = ((padded - image) * label // image for padded, image, label in sides)
        return F.pad(targets, (0, right, 0, bottom), value=self.ignore_index)

    def release(self) -> nn.Module:
        """The very network that came in, trained, with every hook gone."""
        self.capture.remove()
        self.released = True
        return self.network

    def extra_repr(self) -> str:
        """Shown when printed: the scheme, and layers skipped so far."""
        return f"scheme={self.scheme.name!r}, classes={self.classes}, skipped={self.skipped}"


def brought_adapters(network: nn.Module) -> nn.ModuleList | None:
    """The adapters a fused network (HS3-Fuse) has of its own: they stay in it, so they are the ones to supervise."""
    found = (getattr(module, "supervised_adapters", None) for module in network.modules())
    return next((adapters for adapters in found if isinstance(adapters, nn.ModuleList)), None)


def _brought(network: nn.Module, points: Sequence[Point], sizes: Sequence[int]) -> nn.ModuleList | None:
    """Those, if they fit the points and the clusters."""
    adapters = brought_adapters(network)
    if adapters is None:
        return None
    shapes = [tuple(adapter.project.weight.shape[:2]) for adapter in adapters]  # type: ignore[union-attr,index]
    asked = [(size, point.channels) for size, point in zip(sizes, points, strict=True)]
    if shapes != asked:
        raise ValueError(
            f"got a fused network whose adapters map {[f'{c} to {s}' for s, c in shapes]} channels; the points "
            f"and clusters ask for {[f'{c} to {s}' for s, c in asked]}; pass those it was fused with"
        )
    return adapters


def _given(loss: Loss, ignore_index: int) -> Loss:
    """The loss, told which label counts nowhere, if it asks."""
    function, settings = set_as(loss)
    held = settings.get("ignore_index", getattr(function, "ignore_index", ignore_index))
    if held != ignore_index:
        raise ValueError(
            f"got a loss {getattr(function, '__name__', type(function).__name__)} with ignore_index={held}; pixels "
            f"labelled {ignore_index} must count nowhere; make it with ignore_index={ignore_index}"
        )
    if "ignore_index" in settings:  # bound by hand already
        return loss
    try:
        known = signature(loss).parameters
    except ValueError:  # some built-in functions do not tell
        return loss
    return partial(loss, ignore_index=ignore_index) if "ignore_index" in known else loss
