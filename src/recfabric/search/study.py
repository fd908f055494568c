# SPDX-License-Identifier: Apache-2.0
"""The study: trials in Optuna's storage, in one process or many, begun or gone on with."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recfabric.bitstreams import area
from recfabric.errors import ConfigError, MissingExtraError, RecFabricError
from recfabric.kernels.hotpath.cost import Memory
from recfabric.search.evaluate import OBJECTIVES, Evaluator, UnfitError
from recfabric.search.space import Point, Space

if TYPE_CHECKING:
    import optuna
    from optuna.storages import BaseStorage

    from recfabric.quant.progress import Progress
    from recfabric.quant.train import TrainConfig

DEFAULT = ("ndcg", "bytes", "cycles", "lut", "dsp", "bram")
_SETTINGS = "settings"


@dataclass(frozen=True)
class SearchConfig:
    """What decides a study.

    ``data``: as of ``recfabric train``; ``out``: contracts, float models and the report;
    ``storage``: an address that Optuna takes, for several machines; a journal file in ``out`` by
    default; ``trials``: that the study has at its end; ``jobs``: processes; ``epochs``: of
    quantised training of each trial's variant; ``refine``: the same for those on the front, after
    the search; ``seed``: of the sampler (each process adds its number).
    """

    training: TrainConfig
    data: str = "ml-100k"
    out: Path = Path("build/search")
    space: Space = field(default_factory=Space)
    objectives: tuple[str, ...] = DEFAULT
    board: str = "kv260"
    memory: Memory = field(default_factory=Memory)
    storage: str | None = None
    study: str = "recfabric"
    trials: int = 50
    jobs: int = 1
    epochs: int = 0
    refine: int = 0
    seed: int = 42

    def __post_init__(self) -> None:
        for name in self.objectives:
            if name not in OBJECTIVES:
                raise ConfigError(
                    f"'{name}' is no objective; choose some of {', '.join(OBJECTIVES)}."
                )
        for name, low in {"trials": 0, "jobs": 1, "epochs": 0, "refine": 0}.items():
            if getattr(self, name) < low:
                raise ConfigError(f"The {name} of {getattr(self, name)} are fewer than {low}.")

    def settings(self, data_sha256: str) -> dict[str, Any]:
        """What all trials of a study have in common: it may not change when it goes on."""
        return {
            "data": data_sha256,
            "space": self.space.record(),
            "objectives": list(self.objectives),
            "board": self.board,
            "memory": asdict(self.memory),
            "area_model": area.version(),
            "epochs": self.epochs,
            "protocol": self.training.protocol,
            "seeds": {"training": self.training.seed, "split": self.training.split_seed},
        }


def search(config: SearchConfig, progress: Progress) -> optuna.Study:
    """Bring the study to its number of trials; one that is there already goes on.

    Raises ConfigError where the storage holds a study of other settings, MissingExtraError
    without Optuna.
    """
    evaluator = evaluator_of(config, progress)
    evaluator.check()
    study = open_study(config, evaluator.dataset.sha256)
    if config.jobs == 1:
        _work(config, 0, evaluator, study)
        return study
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_worker, args=(config, n)) for n in range(config.jobs)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    failed = sum(1 for worker in workers if worker.exitcode)
    if failed:
        raise RecFabricError(
            f"{failed} of {config.jobs} processes of the search ended early; what they finished "
            "is kept, run the same command again."
        )
    return study


def evaluator_of(config: SearchConfig, progress: Progress) -> Evaluator:
    """What evaluates the study's points."""
    from recfabric.demo import open_data

    return Evaluator(
        config=config.training,
        dataset=open_data(config.data, progress),
        out=config.out,
        board_name=config.board,
        epochs=config.epochs,
        memory=config.memory,
        progress=progress,
    )


def open_study(config: SearchConfig, data_sha256: str) -> optuna.Study:
    """The study of this name in its storage, made where there is none."""
    require_optuna()
    import optuna

    config.out.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name=config.study,
        storage=_storage(config),
        directions=[OBJECTIVES[name] for name in config.objectives],
        load_if_exists=True,
    )
    wanted = config.settings(data_sha256)
    have = study.user_attrs.get(_SETTINGS)
    if have is None:
        study.set_user_attr(_SETTINGS, wanted)
        for point in config.space.corners():
            study.enqueue_trial(asdict(point), skip_if_exists=True)
    elif have != wanted:
        changed = ", ".join(name for name in wanted if have.get(name) != wanted[name])
        raise ConfigError(
            f"The study '{config.study}' was begun with another {changed}; give it as then, or "
            "another --study."
        )
    return study


def require_optuna() -> None:
    """Make Optuna quiet; raises MissingExtraError where it is not installed."""
    try:
        import optuna
    except ModuleNotFoundError:
        raise MissingExtraError("optuna", "search") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)


def _storage(config: SearchConfig) -> str | BaseStorage:
    if config.storage:
        return config.storage
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    return JournalStorage(JournalFileBackend(str(config.out / "study.log")))


def _worker(config: SearchConfig, number: int) -> None:
    """One of several processes."""
    from recfabric.quant.progress import Silent

    evaluator = evaluator_of(config, Silent())
    _work(config, number, evaluator, open_study(config, evaluator.dataset.sha256))


def _work(config: SearchConfig, number: int, evaluator: Evaluator, study: optuna.Study) -> None:
    """Trials until the study has enough."""
    import optuna

    study.sampler = optuna.samplers.TPESampler(seed=config.seed + number)
    ended = (optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.PRUNED)
    missing = config.trials - len(study.get_trials(deepcopy=False, states=ended))
    if missing <= 0:
        return
    with evaluator.progress.task("search", missing) as advance:

        def told(_: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
            advance(1)

        study.optimize(
            lambda trial: _objective(trial, config, evaluator),
            callbacks=[optuna.study.MaxTrialsCallback(config.trials, states=ended), told],
        )


def _objective(trial: optuna.Trial, config: SearchConfig, evaluator: Evaluator) -> Sequence[float]:
    """A trial: its objectives in order; pruned where no netlist or contract can be made of it."""
    import optuna

    point = config.space.choose(lambda name, of: int(trial.suggest_categorical(name, of)))
    try:
        value = evaluator.value(point)
    except UnfitError as error:
        trial.set_user_attr("reason", str(error))
        raise optuna.TrialPruned from None
    for name, found in value.record().items():
        trial.set_user_attr(name, found)
    return [value.objective(name) for name in config.objectives]


def point_of(trial: optuna.trial.FrozenTrial) -> Point:
    """What a trial tried."""
    return Point(**trial.params)
