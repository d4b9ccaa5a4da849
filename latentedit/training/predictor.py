"""One training for every predictor: the best epoch by validation Spearman, stopped early, resumed to the same bits."""

from __future__ import annotations

import copy
import io
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from latentedit.checkpoints.archive import load_archive
from latentedit.errors import InputError, about, damaged
from latentedit.files import replacing
from latentedit.predictors import Predictor
from latentedit.statistics import spearman
from latentedit.training.examples import Examples, vary
from latentedit.training.last_layer import fit_scale, rescale_answers, start_at_mean, start_at_ridge
from latentedit.training.processes import Processes
from latentedit.training.regimen import Regimen, make_optimizer, make_schedule, measure_loss

OTHER = "was trained with other settings or data: repeat them or name another --outdir"
CHUNK = 32  # images predicted at once
MOST_FITTED = 2000  # images that the last layer's start is fitted to


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to."""

    epoch: int
    learning_rate: float
    train_loss: float
    val_loss: float
    val_spearman: float


class PredictorTraining:
    """A network, its optimiser and schedule, the weights of the best epoch, and the epochs so far.

    Random numbers are drawn anew in each epoch from the seed, the epoch and the process, so that
    a training that goes on after any epoch makes the same steps as one that never stopped. Where
    the network `knows` something already, its last layer starts as a regression on that.
    """

    def __init__(
        self,
        network: Predictor,
        regimen: Regimen,
        train: Examples,
        val: Examples,
        processes: Processes | None = None,
        knows: bool = False,
    ) -> None:
        self.network, self.regimen, self.train, self.val = network, regimen, train, val
        self.processes = processes or Processes()
        self.device = next(network.parameters()).device
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # convolutions are quicker so
        start_at_mean(network, float(train.scores.mean()))
        if knows:
            rows = range(0, len(train.scores), -(-len(train.scores) // MOST_FITTED))
            start_at_ridge(network, lambda: self.predict(train, rows), train.scores[list(rows)])
        self.wrapped = self.processes.wrap(network)
        self.optimizer = make_optimizer(regimen.preset, network)
        self.schedule = make_schedule(regimen, self.optimizer)
        self.epochs: list[Epoch] = []
        self.best = copy.deepcopy(network.state_dict())

    @property
    def is_over(self) -> bool:
        """Whether all epochs are done, or too many have passed since the best."""
        preset = self.regimen.preset
        waited = len(self.epochs) - 1 - self.best_epoch if self.epochs else 0
        return len(self.epochs) >= preset.epochs or (preset.stop_after is not None and waited >= preset.stop_after)

    @property
    def best_epoch(self) -> int:
        """The first epoch with the highest validation Spearman, counted from 0."""
        return max(range(len(self.epochs)), key=lambda i: self.epochs[i].val_spearman)

    def run_epoch(self, quiet: bool = True) -> Epoch:
        """Train on every image once, validate, and lower the learning rate where it is time."""
        number, rate = len(self.epochs), self.optimizer.param_groups[0]["lr"]
        with torch.random.fork_rng(devices=[self.device] if self.device.type == "cuda" else []):
            torch.manual_seed(hash((self.regimen.seed, number, self.processes.rank)) % 2**63)
            losses = [self._step(rows) * len(rows) for rows in self._deal(number, quiet)]
        loss = sum(losses) / len(self.train.dataset.images)
        epoch = self.processes.tell(lambda: self._validate(number, rate, loss))
        self.epochs.append(epoch)
        if self.best_epoch == number:
            self.best = copy.deepcopy(self.network.state_dict())
        if isinstance(self.schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            self.schedule.step(epoch.val_loss)
        else:
            self.schedule.step()
        return epoch

    def _deal(self, number: int, quiet: bool) -> Iterator[list[int]]:
        """Deal the images to batches in the epoch's order, the same in every process; a last one alone joins others."""
        random = torch.Generator().manual_seed(hash((self.regimen.seed, number)) % 2**63)
        order = torch.randperm(len(self.train.dataset.images), generator=random).tolist()
        batch = self.regimen.preset.batch
        starts = [start for start in range(0, len(order), batch) if len(order) - start >= 2 * self.processes.count]
        ends = [*starts[1:], len(order)]
        bar = zip(starts, ends, strict=True)
        for start, end in tqdm(bar, f"epoch {number + 1}", len(starts), disable=quiet or not self.processes.leads):
            yield order[start:end]

    def _step(self, rows: list[int]) -> float:
        """Lower the loss of a batch: -> its mean over the batch's rows in this process."""
        preset, mine = self.regimen.preset, self.processes.share(rows)
        self.wrapped.train()
        scores = self.train.scores[mine].to(self.device)
        loss = measure_loss(preset.loss, scores, self._run(self.wrapped, self._vary(mine), self.train, mine))
        self.optimizer.zero_grad()
        (loss.sum() * self.processes.count / len(rows)).backward()  # type: ignore[no-untyped-call]
        if preset.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), preset.clip_norm)
        self.optimizer.step()
        return float(loss.detach().mean())

    def _validate(self, number: int, rate: float, train_loss: float) -> Epoch:
        """Judge the images that are for it."""
        predictions, scores = self.predict(self.val), self.val.scores
        loss = float(measure_loss(self.regimen.preset.loss, scores, predictions).mean())
        if not math.isfinite(loss):
            raise InputError(f"epoch {number + 1} gave no finite loss: lower --lr, or leave out --precision bf16")
        return Epoch(number, rate, train_loss, loss, _rank_alike(scores, predictions))

    @torch.no_grad()
    def predict(self, examples: Examples, rows: Sequence[int] | None = None) -> Tensor:
        """Predict all or some with the network as it is now, in full precision as its file will: -> [N]."""
        self.network.eval()
        rows = range(len(examples.dataset.images)) if rows is None else rows
        parts = [list(rows[start : start + CHUNK]) for start in range(0, len(rows), CHUNK)]
        seen = ((part, self._see(examples, part)) for part in parts)
        return torch.cat([self._run(self.network, x, examples, part).cpu() for part, x in seen])

    def _vary(self, rows: list[int]) -> Tensor:
        """Bring training pictures, mirrored and turned, to what the network reads."""
        preset = self.regimen.preset
        if not (preset.flip or preset.rotation):
            return self._see(self.train, rows)
        images = vary(self.train.load(rows).to(self.device), preset.flip, preset.rotation)
        return self.network.preprocess(images)

    def _see(self, examples: Examples, rows: list[int]) -> Tensor:
        """Bring pictures as they are to what the network reads; frozen features describe each only once."""
        if self.network.is_frozen:
            return examples.recall(rows, self._describe).to(self.device)
        return self.network.preprocess(examples.load(rows).to(self.device))

    @torch.no_grad()
    def _describe(self, images: Tensor) -> Tensor:
        return self.network.preprocess(images.to(self.device)).cpu()

    def _run(self, network: nn.Module, x: Tensor, examples: Examples, rows: list[int]) -> Tensor:
        """Run the network, or it as it is wrapped, on what it reads and the words that go with it: -> [N] in fp32."""
        half = self.regimen.precision == "bf16" and self.network.training
        words = [part[rows].to(self.device) for part in examples.words]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=half):
            predictions: Tensor = network(x, *words)
        return predictions.float()

    def use_best(self) -> None:
        """Take the weights of the best epoch, and bring its predictions to the scale of the validation scores.

        The epoch is chosen by ranks, which say nothing of scale; the last layer takes on what that needs.
        """
        self.network.load_state_dict(self.best)
        mean = float(torch.cat([self.train.scores, self.val.scores]).mean())
        scale = self.processes.tell(lambda: fit_scale(self.network, self.predict(self.val), self.val.scores, mean))
        rescale_answers(self.network, *scale)

    def state_dict(self) -> dict[str, Any]:
        """Return all that going on needs, as plain values and tensors."""
        return {
            "record": self._record(),
            "network": self.network.state_dict(),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "epochs": [asdict(epoch) for epoch in self.epochs],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state of the same training."""
        if state["record"] != self._record():
            raise InputError(OTHER)
        self.network.load_state_dict(state["network"])
        self.best = state["best"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.epochs = [Epoch(**epoch) for epoch in state["epochs"]]

    def _record(self) -> str:
        """Write what must be the same for a training to go on; more epochs are welcome."""
        preset = {key: value for key, value in vars(self.regimen.preset).items() if key != "epochs"}
        names = [[image.name for image in part.dataset.images] for part in (self.train, self.val)]
        rest = self.regimen.schedule, self.regimen.precision, self.regimen.seed, self.processes.count
        return repr((preset, rest, names, self.train.scores.sum().item(), self.train.cropping.crop))


def _rank_alike(scores: Tensor, predictions: Tensor) -> float:
    """Correlate by ranks: [N], [N] -> Spearman's correlation, 0 where all predictions are equal."""
    if bool((predictions == predictions[0]).all()):
        return 0.0
    return float(spearman(scores.double().numpy(), predictions.double().numpy()))


def train_predictor(
    training: PredictorTraining,
    outdir: Path | None = None,
    quiet: bool = True,
    report: Callable[[Sequence[Epoch]], None] = lambda _: None,
) -> PredictorTraining:
    """Train to the end, going on from what `outdir` holds, and take the best epoch's weights.

    After every epoch the state is written to state.pt, whole or not at all, and `report` is given all
    epochs so far; both in the first process alone.
    """
    state = None if outdir is None else outdir / "state.pt"
    if state is not None and state.exists():
        with about(state), damaged("is no state of a predictor's training: move it away or name another --outdir"):
            training.load_state_dict(_load(state))
    while not training.is_over:
        epoch = training.run_epoch(quiet)
        if state is not None and training.processes.leads:
            save_state(training, state)
            report(training.epochs)
        if not quiet and training.processes.leads:
            tqdm.write(f"epoch {epoch.epoch + 1}: loss {epoch.val_loss:.4f}, Spearman {epoch.val_spearman:+.3f}")
    training.use_best()
    return training


def _load(path: Path) -> dict[str, Any]:
    state = load_archive(path)
    if not isinstance(state, dict):
        raise ValueError("no state")
    return state


def save_state(training: PredictorTraining, path: Path) -> None:
    """Write the training's state, whole or not at all."""
    content = io.BytesIO()
    torch.save(training.state_dict(), content)
    path.parent.mkdir(parents=True, exist_ok=True)
    with about(path), replacing(path) as temporary:
        temporary.write_bytes(content.getbuffer())
