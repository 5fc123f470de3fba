"""The training loop.

All of its state is in the network, the optimizer and `Progress`; all of its randomness follows from (seed, epoch, step,
process). So a resumed run is the uninterrupted one, bit for bit.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from kinegraph.data.loading import ClipDataset, train_loader
from kinegraph.data.windows import WindowDataset
from kinegraph.training.distributed import naming_lost_processes, share_buffers, stop_request
from kinegraph.training.health import at_chance, first_not_finite, not_finite_tensor, spike
from kinegraph.training.losses import class_counts
from kinegraph.training.observers import Callbacks, Loggers, TrainingDisplay
from kinegraph.training.optim import Averaged, graph_parameters
from kinegraph.training.options import TrainOptions, loggers_of
from kinegraph.training.run_folder import Progress, RunFolder
from kinegraph.training.tasks import ClipTask, Task

LEARNING_EPOCHS = 5  # in which a network should have learnt something
LEARNING_STEPS = 100  # that it needs for that; of a shorter training half


class Training:
    """One run: `fit` takes it from where `progress` says to the end.

    epochs: those of the options, or how many "auto" means.
    save_weights: writes the network as it is to a path, with what the run knows to say about it.
    frozen: parts of the network that learn nothing; they stay in evaluation mode.
    """

    def __init__(
        self,
        fabric: Fabric,
        network: nn.Module,
        criterion: nn.Module,
        optimizer: torch.optim.Optimizer,
        clips: ClipDataset | WindowDataset,
        val_clips: ClipDataset | WindowDataset | None,
        options: TrainOptions,
        epochs: int,
        run: RunFolder,
        save_weights: Callable,
        frozen: Sequence[nn.Module] = (),
        task: Task | None = None,
        callbacks: Callbacks | None = None,
    ):
        self.task, self.callbacks = task or ClipTask(), callbacks or Callbacks()
        self.fabric, self.options, self.epochs, self.run, self.save_weights = fabric, options, epochs, run, save_weights
        self.clips, self.val_clips, self.frozen = clips, val_clips, frozen
        self.base_rates = [group["lr"] for group in optimizer.param_groups]
        self.network = network
        network = self.task.module(network)
        if options.compile:
            mode = "reduce-overhead" if fabric.device.type == "cuda" else "default"  # the former: CUDA graphs
            network = torch.compile(network, mode=mode, dynamic=False)
        with naming_lost_processes():
            self.model, self.optimizer = fabric.setup(network, optimizer)
        self.averaged = Averaged(self.network, options.ema) if options.ema else None
        self.criterion = fabric.to_device(criterion)
        self.progress = Progress()
        share = math.ceil(len(clips) * options.repeat / fabric.world_size)
        self.batches = math.ceil(share / options.batch_size)
        self.updates = math.ceil(self.batches / options.accumulate)  # steps of the optimizer in an epoch
        self.steps = self.updates * epochs
        self.stop_every = 1 if fabric.world_size == 1 else 16  # batches after which processes ask each other to stop
        shown, measure = fabric.is_global_zero, self.task.measure
        self.display = TrainingDisplay(epochs, self.batches, options.monitor, shown, measure)
        self.recent: list[tuple[Tensor, ...]] = []  # loss, answers, positions of the batches that `_count` has not seen
        self.loggers: Loggers | None = None

    def fit(self) -> Progress:
        """Train to the last epoch. Ctrl-C finishes the step, saves and raises KeyboardInterrupt."""
        with stop_request() as stop, self.display:
            if self.loggers:
                self.loggers.remember()
            self.callbacks.on_start(self.run)
            while not self._is_over():
                self._epoch(stop)
                self._finish_epoch()
                if not self._is_over() and self._everywhere(stop()):
                    raise KeyboardInterrupt
            if self.progress.epoch < self.epochs:
                self.display.say(f"ended early: no better {self.options.monitor} for {self.options.early_stop} epochs")
        if self.fabric.is_global_zero:
            self.save_weights(self.run.last, self.kept, self.progress)
        self.callbacks.on_end(self.run)
        return self.progress

    @property
    def kept(self) -> nn.Module:
        """The network that is validated and written: its moving average where there is one."""
        return self.averaged.network if self.averaged else self.network

    def _is_over(self) -> bool:
        """After the last epoch, or after a validation when there was no better one for `early_stop` epochs."""
        progress, limit = self.progress, self.options.early_stop
        waited = progress.epoch - progress.best_epoch if progress.epoch % self.options.validate_every == 0 else 0
        return progress.epoch >= self.epochs or (limit is not None and waited >= limit)

    @contextmanager
    def figures_shown(self, config: Mapping[str, Any], fresh: bool) -> Iterator[None]:
        """Inside the block the log's figures also go to the loggers that are asked for.

        config: of the run. fresh: it begins; what it replaces is not touched before all loggers have been opened.
        """
        wanted = loggers_of(self.options) if self.fabric.is_global_zero else ()
        if not wanted:
            yield
            return
        first, names = self.progress.step + 1, self.options.tensorboard_names
        with Loggers(wanted, self.run.path, config, first, names, fresh, self.display.say).ended() as self.loggers:
            yield

    def restore(self) -> None:
        """Take up the state in the run's last.ckpt. Raises ValueError if it belongs to another network or data."""
        state, folder = self.run.load_state(), self.clips.folder
        if state.get("dataset", folder.checksum) != folder.checksum:
            raise ValueError(
                f"{self.run.checkpoint} was saved while training on other clips, labels or joints than {folder.path} "
                "has now: resume with the dataset as it was, or start another run"
            )
        try:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.fabric.strategy.precision.load_state_dict(state["precision"])
            if self.averaged:
                self.averaged.network.load_state_dict(state["averaged"])
        except (RuntimeError, ValueError, KeyError) as error:
            reason = str(error).split("\n")[1 if "\n" in str(error) else 0].strip()
            raise ValueError(
                f"{self.run.checkpoint} belongs to another network than the config describes: {reason}"
            ) from None
        if state["batches"] != self.batches:
            raise ValueError(
                f"{self.run.checkpoint} was saved in a run of {state['batches']} batches an epoch, this one has "
                f"{self.batches}: resume with the same data, batch size and processes"
            )
        self.progress = progress = Progress(**state["progress"])
        if (begun := progress.epoch + (progress.batch > 0)) > self.epochs:
            raise ValueError(
                f"{self.run.checkpoint} is from epoch {begun}, asked for are {self.epochs} epochs: give --epochs "
                f"{begun} or more"
            )
        if self.fabric.is_global_zero:
            self.run.cut_log(state["log_bytes"])

    def save(self) -> None:
        """Write last.ckpt."""
        if self.fabric.is_global_zero:
            self.run.save_state(
                {
                    "network": self.network.state_dict(),
                    "optimizer": self.optimizer.state_dict(),
                    "precision": self.fabric.strategy.precision.state_dict(),
                    **({"averaged": self.averaged.network.state_dict()} if self.averaged else {}),
                    "progress": asdict(self.progress),
                    "batches": self.batches,
                    "dataset": self.clips.folder.checksum,
                }
            )

    def _epoch(self, stop: Callable[[], bool]) -> None:
        """From the batch that `progress` names to the last one of the epoch."""
        progress, options, fabric = self.progress, self.options, self.fabric
        loader = train_loader(
            self.clips,
            options.batch_size,
            progress.epoch,
            repeat=options.repeat,
            balanced=options.sample == "class_balanced",
            skip=progress.batch,
            rank=fabric.global_rank,
            processes=fabric.world_size,
            workers=options.workers,
        )
        self.model.train()
        for part in self.frozen:
            part.eval()
        self.display.begin_epoch(progress.epoch + 1)
        fresh = torch.zeros(4, dtype=torch.float64, device=fabric.device)  # sums of this process, not yet in the totals
        log_began = ready = time.perf_counter()
        waited, logged = 0.0, progress.batch
        for views, labels, people, positions in loader:
            wait = time.perf_counter() - ready
            waited += wait
            sums = self._step(*map(fabric.to_device, (views[:, 0], labels, people)))
            fresh += sums
            self.recent.append((sums[0], sums[3], positions))
            progress.batch += 1
            progress.step += 1
            self.display.step(progress.batch, progress.totals, fresh, len(labels) * fabric.world_size, wait)
            last = progress.batch == self.batches
            if progress.batch % options.log_every == 0 or last:
                self._count(fresh)
                batches = progress.batch - logged
                self._log_step((time.perf_counter() - log_began) / batches, waited / batches)
                log_began, waited, logged = time.perf_counter(), 0.0, progress.batch
            if not last and progress.batch % options.accumulate == 0:  # else gradients would have to be saved, too
                self._save_or_stop(fresh, stop)
            ready = time.perf_counter()

    def _save_or_stop(self, fresh: Tensor, stop: Callable[[], bool]) -> None:
        """Save the state when it is time to. Raises KeyboardInterrupt, after saving, when a stop was asked for."""
        asked = self._is_time(self.stop_every) and self._everywhere(stop())
        if asked or self._is_time(self.options.save_every):
            self._count(fresh)
            self._check_weights()
            self.save()
        if asked:
            raise KeyboardInterrupt

    def _is_time(self, every: int) -> bool:
        """Whether another `every` batches are over since the last step of the optimizer."""
        return self.progress.batch % every < self.options.accumulate

    def _step(self, clips: Tensor, labels: Tensor, people: Tensor) -> Tensor:
        """A batch, and after the last one of its group a step of the optimizer.

        Returns loss * answers, hits, hits among five, answers: of clips, or of frames.
        """
        progress, accumulate = self.progress, self.options.accumulate
        group, place = divmod(progress.batch, accumulate)
        group_size = min(accumulate, self.batches - group * accumulate)  # the last group of an epoch may be smaller
        update = progress.epoch * self.updates + group
        seed = np.random.default_rng((self.options.seed, progress.step, self.fabric.global_rank)).integers(2**63)
        torch.manual_seed(int(seed))  # what dropout draws from: nothing to save or restore
        factor = self.options.schedule.factor(update, self.steps, self.epochs)
        for parameters, rate in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            parameters["lr"] = rate * factor
        logits, loss = self._losses(clips, labels, None if self.options.compile else people)
        if place == 0:
            self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(loss if group_size == 1 else loss / group_size)
        if place == group_size - 1:
            self._optimize(update)
        hits = self.task.hits(logits.detach(), labels)
        return torch.cat([loss.detach().double().view(1) * hits[2], hits])

    def _optimize(self, update: int) -> None:
        if self.progress.epoch < self.options.graph_waits:  # without a gradient there is no step, and no weight decay
            for parameter in graph_parameters(self.network):
                parameter.grad = None
        if limit := self.options.clip_gradients:  # an infinite norm is for 16-mixed to skip, or for our own checks
            self.fabric.clip_gradients(self.model, self.optimizer, max_norm=limit, error_if_nonfinite=False)
        try:
            self.optimizer.step()
        except RuntimeError as error:
            if "without overflow" not in str(error):
                raise
            groups = self.optimizer.param_groups
            names = [name for name, value in groups[0].items() if type(value) is float]
            values = ", ".join(f"{name} {max(group[name] for group in groups):.3g}" for name in names)
            self._fail(f"a number of the optimizer is too large ({values})")
        if self.averaged:
            self.averaged.update(self.network, update)

    def _losses(self, clips: Tensor, labels: Tensor, people: Tensor | None) -> tuple[Tensor, Tensor]:
        """Logits, and the loss of the run, with that of the network's own where it brings one."""
        if not getattr(self.network, "brings_loss", False):
            logits = self.model(clips, people)
            return logits, self.task.loss(self.criterion, logits, labels)
        logits, own = self.model(clips, people, labels)
        return logits, self.task.loss(self.criterion, logits, labels) + own

    def _everywhere(self, asked: bool) -> bool:
        """Whether any process was asked to stop; all of them get the same answer."""
        if self.fabric.world_size == 1:
            return asked
        return bool(self.fabric.all_reduce(torch.tensor(float(asked), device=self.fabric.device), reduce_op="sum"))

    def _count(self, fresh: Tensor) -> None:
        """Move the sums of all processes to the epoch's. Raises ValueError in all of them if the loss is no number."""
        progress, several = self.progress, self.fabric.world_size > 1
        summed = self.fabric.all_reduce(fresh, reduce_op="sum") if several else fresh
        progress.totals = [old + new for old, new in zip(progress.totals, summed.tolist(), strict=True)]
        fresh.zero_()
        if not math.isfinite(progress.totals[0]):
            self._fail(f"the loss is not a finite number {self._bad_batch()}")
        if self.recent:
            largest = torch.stack([loss / answers.clamp(min=1) for loss, answers, _ in self.recent]).max()
            largest = self.fabric.all_reduce(largest, reduce_op="max") if several else largest
            progress.peak = [max(peak, float(largest)) for peak in progress.peak]
        self.recent.clear()

    def _fail(self, reason: str) -> None:
        """Raises ValueError: nothing that comes now can be trusted, what was saved before stays."""
        kept = f"; {self.run.checkpoint} is from before" if self.run.checkpoint.is_file() else ""
        remedy = "lower the learning rate" + (" or clip gradients" if self.options.clip_gradients is None else "")
        raise ValueError(f"{reason}: {remedy}{kept}")

    def _check_weights(self) -> None:
        """A step may spoil the weights though its loss was a number. Raises ValueError before they are saved."""
        if name := not_finite_tensor(self.network):
            epoch, batch = self.progress.epoch, self.progress.batch
            place = f"epoch {epoch + 1}, batch {batch}" if batch else f"epoch {epoch}"
            self._fail(f"weights are not finite numbers after {place} (first '{name}')")

    def _bad_batch(self) -> str:
        """The first batch whose loss is no number, and its clips."""
        epoch = f"in epoch {self.progress.epoch + 1}"
        first = first_not_finite([loss for loss, *_ in self.recent])
        if first is None:
            return f"{epoch}, in a batch of another process"
        positions = self.recent[first][2].tolist()
        names = ", ".join(self.clips.name_of(i) for i in positions[:6]) + (" ..." if len(positions) > 6 else "")
        batch = self.progress.batch - len(self.recent) + first + 1
        return f"{epoch}, batch {batch} (clips {names})"

    def _log_step(self, seconds: float, data_seconds: float) -> None:
        """Log the means of the batches since the line before, and the seconds of a batch."""
        progress = self.progress
        loss, top1, top5, clips = (now - then for now, then in zip(progress.totals, progress.logged, strict=True))
        progress.logged = list(progress.totals)
        peak, progress.peak[0] = progress.peak[0], 0.0
        memory = torch.cuda.max_memory_allocated() // 2**20 if self.fabric.device.type == "cuda" else 0
        self._log(
            mode="train", epoch=progress.epoch + 1, iter=progress.batch, lr=self.optimizer.param_groups[0]["lr"],
            loss=loss / clips, peak=peak, top1=top1 / clips, top5=top5 / clips,
            time=seconds, data_time=data_seconds, memory=memory,
        )  # fmt: skip

    def _log(self, **record) -> None:
        if self.fabric.is_global_zero:
            self.run.log(**record)
            if self.loggers:
                self.loggers.add(self.progress.step, record)

    def _warn(self, message: str) -> None:
        """Say it, and keep it for the report."""
        self.display.say(f"warning: {message}")
        if self.fabric.is_global_zero:
            self.run.log(mode="warning", severity="warning", message=message)

    def _finish_epoch(self) -> None:
        """Validate, show and save what the epoch came to."""
        progress = self.progress
        loss, hits, _, clips = progress.totals
        progress.epoch, progress.batch = progress.epoch + 1, 0
        progress.totals, progress.logged = [0.0] * 4, [0.0] * 4
        self._check_weights()
        measured = self.val_clips is not None and (
            progress.epoch % self.options.validate_every == 0 or progress.epoch == self.epochs
        )
        figures = self._validate() if measured else None
        loss, top1, rate = loss / clips, hits / clips, self.optimizer.param_groups[0]["lr"]
        self.display.epoch(progress.epoch, loss, top1, rate, figures, progress.best, progress.best_epoch)
        self._warn_of_course(loss, hits, clips)
        self.save()
        known = {"epoch": progress.epoch, "loss": loss, "top1": top1, "lr": rate}
        self.callbacks.on_epoch(self.run, known | {f"val_{name}": value for name, value in (figures or {}).items()})

    def _warn_of_course(self, loss: float, hits: float, clips: float) -> None:
        """Say, once, that nothing is learnt, and that a batch of this epoch was far worse than the epoch before."""
        progress, options = self.progress, self.options
        counts, updates = class_counts(self.clips), progress.step // options.accumulate
        if (
            progress.epoch >= LEARNING_EPOCHS
            and updates >= min(LEARNING_STEPS, self.steps // 2)
            and not progress.warned
        ):
            balanced = options.sample == "class_balanced"
            if line := at_chance(progress.epoch, hits, clips, self.task.counted, counts, balanced):
                self._warn(f"{line}, and look at the data with `kinegraph inspect {self.clips.folder.path}`")
                progress.warned = True
        clipped = options.clip_gradients is not None
        if line := spike(progress.epoch, progress.peak[1], progress.before, len(counts), clipped):
            self._warn(line)
        progress.before, progress.peak[1] = loss, 0.0

    def _validate(self) -> dict[str, float]:
        """The figures of the validation part; weights that are better than all before are written."""
        progress, options, started = self.progress, self.options, time.perf_counter()
        share_buffers(self.fabric, self.kept)
        figures = self.task.validate(self.fabric, self.kept, self.val_clips, options.batch_size, options.workers)
        self._log(mode="val", epoch=progress.epoch, iter=progress.step, **figures, time=time.perf_counter() - started)
        if self.fabric.is_global_zero:
            self.run.write_metrics()
        if figures[options.monitor] > progress.best:
            progress.best, progress.best_epoch = figures[options.monitor], progress.epoch
            if self.fabric.is_global_zero:
                self.save_weights(self.run.best, self.kept, progress)
        return figures
