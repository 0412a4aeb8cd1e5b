"""What the five documents print runs as printed: their code, configurations, formulas and tables, typed again here."""

from __future__ import annotations

import json
import re
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from conftest import ROOT
from small_models import (
    SHAPE,
    compiled,
    evaluation_noise,
    examples,
    fit,
    numpy_forward,
    plain_vae,
    reused,
    small_dataset,
    step_noise,
)
from tensorflow.keras import layers

from vaelib import (
    KL_ANNEALING_EPOCHS,
    KL_WEIGHT,
    BetaVAE,
    Dataset,
    HierarchicalVAE,
    KLAnnealing,
    LinearBetaScheduler,
    Objective,
    ReconstructionBetaScheduler,
    Sampling,
    TrainingConfig,
    TrainingResult,
    ValidationMonitor,
    build_vae,
    gaussian_kl,
    get_beta_scheduler,
    train_vae,
)
from vaelib.kl import Latents
from vaelib.objective import Terms

EIGHTH = 0.5 * (1 - np.cos(np.pi / 4))  # a cosine an eighth of its wave above its lowest point
MEANS = {"likelihood": "mse", "reconstruction_scale": "mean", "kl_scale": "mean"}  # the losses of the two KL documents


# ---------------------------------------------------------------- beta-vae-model.md


def printed(network: keras.Model) -> list[str]:
    """The layers of a network, in the document's words; what only changes a shape is left out."""
    words = []
    for layer in network.layers:
        if isinstance(layer, layers.Dense):
            words.append(f"Dense({layer.units}) {layer.activation.__name__}")
        elif not isinstance(layer, layers.InputLayer | layers.Flatten | layers.Reshape):
            words.append({"BatchNormalization": "BatchNorm"}.get(type(layer).__name__, type(layer).__name__))
    return words


def test_the_encoder_layer_by_layer() -> None:
    encoder = build_vae((20,), latent_dim=7).encoder
    assert printed(encoder.body) == ["Dense(64) relu", "BatchNorm", "Dropout", "Dense(32) relu"]
    for name in ("z_mean", "z_log_var"):
        head = getattr(encoder, name)
        assert (type(head), head.name, head.units, head.activation.__name__) == (layers.Dense, name, 7, "linear")
    assert type(encoder.sampling) is Sampling
    z_mean, z_log_var, z = encoder(examples(3).reshape(3, 12)[:, np.arange(20) % 12])
    assert z_mean.shape == z_log_var.shape == z.shape == (3, 7)
    assert not np.allclose(z, z_mean)


def test_the_decoder_layer_by_layer() -> None:
    decoder = build_vae((20,), latent_dim=7).decoder
    assert printed(decoder) == ["Dense(32) relu", "BatchNorm", "Dropout", "Dense(64) relu", "Dense(20) linear"]
    assert decoder(np.zeros((3, 7), "float32")).shape == (3, 20)


def test_the_line_of_the_sampling_layer() -> None:
    rng = np.random.default_rng(0)
    z_mean, z_log_var, epsilon = (rng.normal(size=(5, 3)).astype("float32") for _ in range(3))
    z = z_mean + tf.exp(0.5 * z_log_var) * epsilon
    np.testing.assert_allclose(Sampling()((z_mean, z_log_var), noise=epsilon), z, rtol=1e-6)


def test_beta_vae_is_a_tf_keras_model_that_overrides_call_and_both_steps() -> None:
    assert issubclass(BetaVAE, tf.keras.Model)
    assert isinstance(build_vae((20,), latent_dim=7), tf.keras.Model)
    for method in ("call", "train_step", "test_step"):
        assert getattr(BetaVAE, method).__module__.startswith("vaelib.models.")


def test_the_loss_of_both_steps_is_the_mse_and_beta_times_the_printed_sum() -> None:
    objective = Objective("mse", reconstruction_scale="mean")
    model = compiled(plain_vae(objective, beta=4.0), keras.optimizers.SGD(0.0), run_eagerly=True)
    x = examples(10)
    for found, noise in (
        (model.train_step(x), step_noise(model, 10, 0)),
        (model.evaluate(x, batch_size=10, verbose=0, return_dict=True), evaluation_noise(model, 10)),
    ):
        z_mean, z_log_var, output = numpy_forward(model, x, noise)
        mse = np.mean((x - output) ** 2)
        kl = -0.5 * np.sum(1 + z_log_var - z_mean**2 - np.exp(z_log_var), axis=1).mean()
        expected = {"total_loss": mse + 4.0 * kl, "reconstruction_loss": mse, "kl_loss": kl}
        assert {name: float(value) for name, value in found.items()} == pytest.approx(expected, rel=2e-4)
        model.reset_metrics()


def test_the_formula_of_kl_annealing() -> None:
    start_beta, target_beta, total_epochs = 0.1, 0.9, 8
    annealing = KLAnnealing(start_beta, target_beta, total_epochs, per="epoch")
    assert isinstance(annealing, tf.keras.callbacks.Callback)
    history = fit(compiled(plain_vae()), examples(8), 8, 10, callbacks=[annealing]).history
    for epoch in range(9):
        beta = start_beta + (target_beta - start_beta) * (epoch / total_epochs)
        assert annealing.scheduler(epoch) == pytest.approx(beta)
        assert history["beta"][epoch] == pytest.approx(beta)
    assert [history["beta"][9], annealing.scheduler(9)] == pytest.approx([target_beta] * 2)  # the formula alone gives 1


# ---------------------------------------------------------------- enhanced-beta-schedulers.md: configurations


def betas(config: dict[str, Any], *epochs: float) -> list[float]:
    scheduler = TrainingConfig.from_dict(config).scheduler()
    return [scheduler(epoch) for epoch in epochs]


def restarts(scheduler: Any, epochs: int) -> list[int]:
    return [epoch for epoch in range(epochs) if scheduler.get_restart_info(epoch)["is_restart_epoch"]]


def trained(config: TrainingConfig, dataset: Dataset | None = None) -> TrainingResult:
    """Trains a small model as the configuration says, an epoch a step."""
    dataset = dataset or small_dataset()
    options = {**config.model_options(dataset), "latent_dim": 2, "hidden": (6, 5)}
    if config.use_hierarchical_model:
        options["local_dim"] = 2
    objective = Objective(sigma2=0.1)
    model = reused(lambda: build_vae(SHAPE, objective=objective, **options), key=repr(sorted(options.items())))
    return train_vae(model, dataset, **{**config.training_options(), "batch_size": 50})


CYCLICAL = {
    "beta_scheduler_type": "cyclical",
    "beta_scheduler_params": {
        "cycle_length": 20,
        "min_beta": 0.0,
        "max_beta": 1.0,
        "wave_type": "cosine",
    },
}
WARM_RESTART = {
    "beta_scheduler_type": "warm_restart",
    "beta_scheduler_params": {
        "base_scheduler_type": "cosine",
        "base_scheduler_kwargs": {
            "max_beta": 1.0,
            "warmup_epochs": 20,
        },
        "restart_interval": 40,
        "restart_multiplier": 1.2,
    },
}
GLOBAL_AND_LOCAL = {
    "global_scheduler": {
        "type": "cosine",
        "max_beta": 0.01,
        "warmup_epochs": 10,
    },
    "local_scheduler": {
        "type": "cyclical",
        "cycle_length": 25,
        "min_beta": 0.0,
        "max_beta": 0.02,
        "wave_type": "cosine",
    },
}
HIERARCHICAL = {"beta_scheduler_type": "hierarchical", "beta_scheduler_params": GLOBAL_AND_LOCAL}


def test_the_cyclical_configuration() -> None:
    # from reconstruction alone to the full weight and back, every 20 epochs
    expected = [0.0, EIGHTH, 0.5, 1.0, 0.5, 0.0, 1.0, 0.0]
    assert betas(CYCLICAL, 0, 2.5, 5, 10, 15, 20, 30, 40) == pytest.approx(expected, abs=1e-12)


def test_the_warm_restart_configuration_and_its_three_restarts() -> None:
    expected = [0.0, EIGHTH, 0.5, 1.0, 1.0, 0.0, EIGHTH, 0.5, 1.0, 0.0]
    assert betas(WARM_RESTART, 0, 5, 10, 20, 39, 40, 45, 50, 87, 88) == pytest.approx(expected)
    scheduler = TrainingConfig.from_dict(WARM_RESTART).scheduler()
    assert restarts(scheduler, 200) == [40, 88, 146]
    assert [scheduler(epoch) for epoch in (40, 88, 146)] == [0.0, 0.0, 0.0]


def test_the_hierarchical_configuration() -> None:
    early = {"global_kl_weight": 0.01 * EIGHTH, "local_kl_weight": 0.02 * 0.5 * (1 - np.cos(2 * np.pi * 2.5 / 25))}
    top = {"global_kl_weight": 0.01, "local_kl_weight": 0.02}
    end = {"global_kl_weight": 0.01, "local_kl_weight": 0.0}
    for found, expected in zip(betas(HIERARCHICAL, 2.5, 12.5, 25), (early, top, end), strict=True):
        assert found == pytest.approx(expected, abs=1e-12)
    assert betas(HIERARCHICAL, 0) == [{"global_kl_weight": 0.0, "local_kl_weight": 0.0}]


@pytest.mark.filterwarnings("ignore:.* away from its highest value:UserWarning")  # the cycles end where they are low
@pytest.mark.parametrize("kind", ["cyclical", "warm_restart", "hierarchical"])
def test_the_training_config_with_each_type(kind: str) -> None:
    blocks = {"cyclical": CYCLICAL, "warm_restart": WARM_RESTART, "hierarchical": HIERARCHICAL}
    config = {
        "beta_scheduler_type": kind,  # or "warm_restart", "hierarchical"
        "beta_scheduler_params": blocks[kind]["beta_scheduler_params"],  # Type-specific parameters
        "use_hierarchical_model": False,  # Enable for hierarchical CVAE
    }
    if kind == "hierarchical":
        config["use_hierarchical_model"] = True
    read = TrainingConfig.from_dict({**config, "num_epochs": 42})
    result = trained(read)
    assert isinstance(result.model, HierarchicalVAE) == config["use_hierarchical_model"]
    for name, part in read.scheduler().parts.items():
        np.testing.assert_allclose(result.history[name], [part(epoch) for epoch in range(42)], rtol=1e-6, atol=1e-9)
    assert ("is_restart_epoch" in result.history) == (kind == "warm_restart")


def test_hierarchical_training_is_that_of_a_cvae_where_there_are_labels() -> None:
    x, labels = examples(70), np.arange(70) % 3
    dataset = Dataset("labelled", x[:50], x[50:60], x[60:], labels[:50], labels[50:60], labels[60:])
    config = {"use_hierarchical_model": True, "num_epochs": 14, **HIERARCHICAL}
    result = trained(TrainingConfig.from_dict(config), dataset)
    assert (type(result.model), result.model.condition_dim) == (HierarchicalVAE, 3)
    weights = {"global_kl_weight": 0.01, "local_kl_weight": 0.02 * 0.5 * (1 - np.cos(2 * np.pi * 13 / 25))}
    assert result.history.iloc[-1][list(weights)].to_dict() == pytest.approx(weights)


def test_the_cyclical_example() -> None:
    config = {
        "beta_scheduler_type": "cyclical",
        "beta_scheduler_params": {
            "cycle_length": 25,  # 25-epoch cycles
            "min_beta": 0.0,  # Full reconstruction focus
            "max_beta": 1.0,  # Full regularization
            "wave_type": "cosine",  # Smooth transitions
        },
    }
    expected = [0.0, EIGHTH, 0.5, 1.0, 0.5, 0.0, 1.0, 0.0]
    assert betas(config, 0, 3.125, 6.25, 12.5, 18.75, 25, 37.5, 50) == pytest.approx(expected, abs=1e-12)


def test_the_warm_restart_example() -> None:
    config = {
        "beta_scheduler_type": "warm_restart",
        "beta_scheduler_params": {
            "base_scheduler_type": "cosine",
            "base_scheduler_kwargs": {
                "max_beta": 1.0,
                "warmup_epochs": 15,
            },
            "restart_interval": 50,  # Restart every 50 epochs initially
            "restart_multiplier": 1.3,  # Increase interval by 30% each restart
        },
    }
    expected = [0.0, EIGHTH, 0.5, 1.0, 1.0, 0.0, 0.5, 1.0]
    assert betas(config, 0, 3.75, 7.5, 15, 49, 50, 57.5, 65) == pytest.approx(expected)
    # 50; + 65 = 115; + 84.5 = 199.5, rounded half up
    assert restarts(TrainingConfig.from_dict(config).scheduler(), 300) == [50, 115, 200]


def test_the_hierarchical_example() -> None:
    config = {
        "use_hierarchical_model": True,
        "beta_scheduler_type": "hierarchical",
        "beta_scheduler_params": {
            "global_scheduler": {
                "type": "linear",
                "max_beta": 0.005,  # Lower regularization for global features
                "warmup_epochs": 10,
            },
            "local_scheduler": {
                "type": "cyclical",
                "cycle_length": 20,
                "min_beta": 0.0,
                "max_beta": 0.015,  # Higher regularization for local details
                "wave_type": "triangle",
            },
        },
    }
    at = {0: (0.0, 0.0), 2.5: (0.00125, 0.00375), 10: (0.005, 0.015), 16: (0.005, 0.006), 20: (0.005, 0.0)}
    for found, (first, second) in zip(betas(config, *at), at.values(), strict=True):
        assert found == pytest.approx({"global_kl_weight": first, "local_kl_weight": second}, abs=1e-12)
    assert TrainingConfig.from_dict(config).use_hierarchical_model is True
    with pytest.raises(ValueError, match="Argument `use_hierarchical_model` must be True with this schedule"):
        TrainingConfig.from_dict({**config, "use_hierarchical_model": False})


def test_the_mixed_strategies() -> None:
    # Combine different strategies for optimal training
    hierarchical_config = {
        "global_scheduler": {
            "type": "warm_restart",
            "base_scheduler_type": "cosine",
            "base_scheduler_kwargs": {"max_beta": 0.01, "warmup_epochs": 10},
            "restart_interval": 30,
            "restart_multiplier": 1.0,
        },
        "local_scheduler": {
            "type": "cyclical",
            "cycle_length": 15,
            "min_beta": 0.0,
            "max_beta": 0.02,
            "wave_type": "triangle",
        },
    }
    scheduler = get_beta_scheduler("hierarchical", **hierarchical_config)
    at = {0: (0.0, 0.0), 2.5: (0.01 * EIGHTH, 0.02 / 3), 7.5: (None, 0.02), 10: (0.01, 0.04 / 3), 30: (0.0, 0.0)}
    for epoch, expected in at.items():
        for name, value in zip(("global_kl_weight", "local_kl_weight"), expected, strict=True):
            if value is not None:
                assert scheduler(epoch)[name] == pytest.approx(value)
    assert scheduler.get_restart_info(60)["global_scheduler"]["is_restart_epoch"] is True
    for key in ("hierarchical_beta_config", "beta_scheduler_params"):
        config = {"beta_scheduler_type": "hierarchical", key: hierarchical_config}
        assert TrainingConfig.from_dict(config).scheduler() == scheduler


def test_the_tuned_cycles() -> None:
    def scheduler(params: dict[str, float]) -> Any:
        config = {"beta_scheduler_type": "cyclical", "beta_scheduler_params": params}
        assert TrainingConfig.from_dict(config).scheduler() == get_beta_scheduler("cyclical", **params)
        return get_beta_scheduler("cyclical", **params)

    # Short cycles for rapid exploration
    short = scheduler({"cycle_length": 15, "min_beta": 0.0, "max_beta": 1.0})
    expected = [0.0, EIGHTH, 0.5, 1.0, 0.0]
    assert [short(epoch) for epoch in (0, 1.875, 3.75, 7.5, 15)] == pytest.approx(expected, abs=1e-12)
    # Long cycles for stable training
    long = scheduler({"cycle_length": 40, "min_beta": 0.1, "max_beta": 0.8})
    expected = [0.1, 0.1 + 0.7 * EIGHTH, 0.45, 0.8, 0.1]
    assert [long(epoch) for epoch in (0, 5, 10, 20, 40)] == pytest.approx(expected)
    assert short.wave_type == long.wave_type == "cosine"


def test_the_tuned_restarts() -> None:
    def scheduler(params: dict[str, float]) -> Any:
        config = {"beta_scheduler_type": "warm_restart", "beta_scheduler_params": params}
        assert TrainingConfig.from_dict(config).scheduler() == get_beta_scheduler("warm_restart", **params)
        return get_beta_scheduler("warm_restart", **params)

    # Frequent restarts for active exploration
    frequent = scheduler({"restart_interval": 25, "restart_multiplier": 1.0})
    assert restarts(frequent, 101) == [25, 50, 75, 100]
    # Adaptive restarts for efficiency: 50; + 75 = 125; + 112.5 = 237.5, rounded half up
    adaptive = scheduler({"restart_interval": 50, "restart_multiplier": 1.5})
    assert restarts(adaptive, 300) == [50, 125, 238]
    for restarting in (frequent, adaptive):
        assert restarting.base_scheduler_type == "cosine"
        assert [restarting(epoch) for epoch in (0, 2.5, 5, 10, 24)] == pytest.approx([0.0, EIGHTH, 0.5, 1.0, 1.0])


FILES = {
    "cyclical_beta_config.json": {"training": {"num_epochs": 100, **CYCLICAL}},
    "warm_restart_config.json": {"training": {"num_epochs": 150, **WARM_RESTART}},
    "hierarchical_config.json": {
        "training": {
            "use_hierarchical_model": True,
            "beta_scheduler_type": "hierarchical",
            "hierarchical_beta_config": GLOBAL_AND_LOCAL,
        }
    },
}


@pytest.mark.filterwarnings("ignore:.* away from its highest value:UserWarning")
@pytest.mark.parametrize("name", FILES)
def test_the_complete_training_configurations(name: str) -> None:
    path = ROOT / "configs" / name
    assert json.loads(path.read_text(encoding="utf-8")) == FILES[name]
    config = TrainingConfig.from_file(path)
    epochs = FILES[name]["training"].get("num_epochs", 50)
    history = trained(config).history
    assert len(history) == epochs
    for part, scheduler in config.scheduler().parts.items():
        np.testing.assert_allclose(history[part], [scheduler(epoch) for epoch in range(epochs)], rtol=1e-6, atol=1e-9)
    if name == "warm_restart_config.json":
        assert history.index[history["is_restart_epoch"] == 1].tolist() == [40, 88, 146]


# ---------------------------------------------------------------- enhanced-beta-schedulers.md: code


class Loop:
    """The document's excerpt of a training loop, with what it leaves out around it."""

    def __init__(self, beta_scheduler: Any, use_hierarchical_model: bool) -> None:
        self.beta_scheduler = beta_scheduler
        self.use_hierarchical_model = use_hierarchical_model

    def epoch(self, epoch: int) -> dict[str, Any]:
        # Automatic scheduler detection and beta computation
        if self.use_hierarchical_model:
            beta_values = self.beta_scheduler(epoch)
            global_kl_weight = beta_values["global_kl_weight"]
            local_kl_weight = beta_values["local_kl_weight"]
            found = {"global": global_kl_weight, "local": local_kl_weight}
        else:
            beta = self.beta_scheduler(epoch)
            found = {"beta": beta}

        # Enhanced logging with restart information
        if hasattr(self.beta_scheduler, "get_restart_info"):
            restart_info = self.beta_scheduler.get_restart_info(epoch)
            # Log restart status and timing
            found["restart"] = restart_info
        return found


@pytest.mark.parametrize(
    ("block", "restarting", "expected"),
    [
        (CYCLICAL, False, {"beta": pytest.approx(0.5)}),
        (WARM_RESTART, True, {"beta": pytest.approx(0.5 * (1 - np.cos(np.pi / 4)))}),
        (HIERARCHICAL, False, {"global": pytest.approx(0.005), "local": pytest.approx(0.0069098300562505)}),
        (
            {
                "beta_scheduler_type": "hierarchical",
                "beta_scheduler_params": {
                    **GLOBAL_AND_LOCAL,
                    "local_scheduler": {"type": "warm_restart", "restart_interval": 5},
                },
            },
            True,
            {"global": pytest.approx(0.005), "local": 0.0},
        ),
    ],
    ids=["cyclical", "warm restart", "hierarchical", "hierarchical with a restart"],
)
def test_the_excerpt_of_the_training_loop(block: dict[str, Any], restarting: bool, expected: dict[str, Any]) -> None:
    config = TrainingConfig.from_dict(block)
    found = Loop(config.scheduler(), config.use_hierarchical_model).epoch(5)
    restart_info = found.pop("restart", None)
    assert found == expected
    assert (restart_info is not None) == restarting


def test_the_print_out_of_the_restart_information(capsys: pytest.CaptureFixture[str]) -> None:
    scheduler = TrainingConfig.from_dict(WARM_RESTART).scheduler()
    for epoch in (10, 40, 100):
        # Access detailed restart information
        restart_info = scheduler.get_restart_info(epoch)
        print(f"Last restart: {restart_info['last_restart_epoch']}")
        print(f"Epochs since restart: {restart_info['epochs_since_restart']}")
        print(f"Next restart: {restart_info['next_restart_epoch']}")
        print(f"Is restart epoch: {restart_info['is_restart_epoch']}")
    assert capsys.readouterr().out.splitlines() == [
        *("Last restart: 0", "Epochs since restart: 10", "Next restart: 40", "Is restart epoch: False"),
        *("Last restart: 40", "Epochs since restart: 0", "Next restart: 88", "Is restart epoch: True"),
        *("Last restart: 88", "Epochs since restart: 12", "Next restart: 146", "Is restart epoch: False"),
    ]


@pytest.mark.parametrize(
    ("params", "made", "says"),
    [
        ({"cycle_length": 15}, "CyclicalBetaScheduler", []),
        ({"cycle_length": 0}, "CosineBetaScheduler", ["cycle_length", "> 0", "cycle_length=0"]),
        ({"cycle_len": 15}, "CosineBetaScheduler", ["cycle_len", "Did you mean 'cycle_length'?"]),
        ({"wave_type": "square"}, "CosineBetaScheduler", ["'cosine', 'triangle', 'ramp'", "wave_type='square'"]),
    ],
)
def test_the_factory_with_its_fallback(
    params: dict[str, Any], made: str, says: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    # Robust scheduler creation with validation
    try:
        scheduler = get_beta_scheduler("cyclical", **params)
    except ValueError as e:
        print(f"Invalid configuration: {e}")
        # Fall back to default scheduler
        scheduler = get_beta_scheduler("cosine", max_beta=1.0, warmup_epochs=10)
    assert type(scheduler).__name__ == made
    assert scheduler(10) > 0
    out = capsys.readouterr().out
    assert out.startswith("Invalid configuration: Argument `") == bool(says)
    assert all(text in out for text in says)


@pytest.mark.parametrize("block", [CYCLICAL, WARM_RESTART], ids=["cyclical", "warm restart"])
def test_the_debug_commands(block: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    scheduler = TrainingConfig.from_dict(block).scheduler()
    # Check scheduler configuration
    print(f"Scheduler type: {type(scheduler).__name__}")
    print(f"Scheduler config: {scheduler}")

    # Monitor beta values
    for epoch in range(10):
        beta = scheduler(epoch)
        print(f"Epoch {epoch}: Beta = {beta:.6f}")

    # Check restart information
    if hasattr(scheduler, "get_restart_info"):
        info = scheduler.get_restart_info(epoch)
        print(f"Restart info: {info}")

    name, config, *lines = capsys.readouterr().out.splitlines()
    assert name.removeprefix("Scheduler type: ") in ("CyclicalBetaScheduler", "WarmRestartBetaScheduler")
    for key, value in scheduler.get_config().items():
        assert key == "type" or f"{key}={value!r}" in config
    # (1 - cos(2 pi / 20)) / 2 of the wave, (1 - cos(pi / 20)) / 2 of the warm-up
    second = "0.024472" if block is CYCLICAL else "0.006156"
    assert lines[:2] == ["Epoch 0: Beta = 0.000000", f"Epoch 1: Beta = {second}"]
    if block is CYCLICAL:
        assert len(lines) == 10
    else:
        assert lines[10:] == [
            "Restart info: {'last_restart_epoch': 0, 'epochs_since_restart': 9, "
            "'next_restart_epoch': 40, 'is_restart_epoch': False}"
        ]


# ---------------------------------------------------------------- reconstruction-error-schedule.md


TABLE = {  # rows by epochs, counted from 1: first and last epoch, error, β
    "1-50": (1, 50, 1.0, 0.1),
    "51-100": (51, 100, 0.8, 0.2),
    "101-150": (101, 150, 0.6, 0.4),
    "151-200": (151, 200, 0.4, 0.6),
    "201-300": (201, 300, 0.2, 0.8),
    "301+": (301, 10_000, 0.1, 1.0),
}


@pytest.mark.parametrize("row", TABLE)
def test_the_table(row: str) -> None:
    first, last, error, beta = TABLE[row]
    by_epoch = ReconstructionBetaScheduler(unit="epoch")
    assert by_epoch(first - 1) == by_epoch(last - 1) == beta
    assert first == 1 or by_epoch(first - 2) < beta
    by_mean = ReconstructionBetaScheduler(unit="mse")
    assert by_mean.update({"reconstruction_loss": error}) == beta
    by_share = ReconstructionBetaScheduler()  # of the first epoch's error
    by_share.update({"reconstruction_loss": 25.0})
    assert by_share.update({"reconstruction_loss": 25.0 * error}) == beta
    if first > 1:  # an error just above the level has not come down to it
        above = ReconstructionBetaScheduler(unit="mse")
        assert above.update({"reconstruction_loss": error + 1e-6}) < beta


# ---------------------------------------------------------------- vae-kl-loss-fix.md


RNG = np.random.default_rng(1)
Z_MEAN = RNG.normal(size=(6, 4)).astype("float32")
Z_LOG_VAR = np.float32(2) * RNG.normal(size=(6, 4)).astype("float32")
Z_LOG_VAR[0] = [4.0, 2.0, -20.0, -25.0]


def kl_terms(objective: Objective, z_log_var: np.ndarray) -> tuple[float, float]:
    """The KL that enters the loss of these codes, and the one that is logged."""
    latents = objective.latents(Z_MEAN, z_log_var)
    assert isinstance(latents, Latents)
    zeros = np.zeros(6, "float32")
    losses = objective.losses(Terms(np.zeros((6, *SHAPE), "float32"), zeros, zeros, (latents,)), 1.0)
    return float(losses.total_loss), float(losses.kl_loss)


def test_the_kl_loss_with_clipped_values() -> None:
    z_mean, z_log_var = Z_MEAN, Z_LOG_VAR
    # Clip z_log_var to prevent extreme values
    z_log_var_clipped = tf.clip_by_value(z_log_var, -20.0, 2.0)
    # Calculate KL loss with clipped values
    kl_loss = 0.5 * tf.reduce_mean(tf.exp(z_log_var_clipped) + tf.square(z_mean) - 1.0 - z_log_var_clipped, axis=1)
    kl_loss = tf.reduce_mean(kl_loss)
    in_loss, logged = kl_terms(Objective(**MEANS, kl_clip=(-20.0, 2.0)), Z_LOG_VAR)
    assert in_loss == pytest.approx(float(kl_loss), rel=1e-6)
    assert logged > in_loss * 1.2  # the exact one is logged


def test_the_kl_loss_without_the_clip_is_the_original_and_the_default() -> None:
    z_mean, z_log_var = Z_MEAN, Z_LOG_VAR
    kl_loss = 0.5 * tf.reduce_mean(tf.exp(z_log_var) + tf.square(z_mean) - 1.0 - z_log_var, axis=1)
    kl_loss = tf.reduce_mean(kl_loss)
    original = -0.5 * tf.reduce_mean(1 + z_log_var - tf.square(z_mean) - tf.exp(z_log_var))
    assert float(kl_loss) == pytest.approx(float(original), rel=1e-6)
    assert kl_terms(Objective(**MEANS), Z_LOG_VAR) == pytest.approx([float(kl_loss)] * 2, rel=1e-6)
    per_unit = gaussian_kl(z_mean.astype("float64"), z_log_var.astype("float64"))
    by_unit = -0.5 * (1 + z_log_var - z_mean**2 - np.exp(z_log_var.astype("float64")))
    np.testing.assert_allclose(per_unit, by_unit, rtol=1e-6)
    # the default sums over the units: 4 times the mean
    assert kl_terms(Objective("mse"), Z_LOG_VAR) == pytest.approx([4 * float(kl_loss)] * 2, rel=1e-6)


def test_the_constants() -> None:
    assert KL_WEIGHT == 0.0001
    assert KL_ANNEALING_EPOCHS == 10


def test_the_layer_of_the_means() -> None:
    LATENT_DIM = 3
    x = keras.Input((5,))
    z_mean = layers.Dense(
        LATENT_DIM,
        name="z_mean",
        kernel_initializer="glorot_normal",
        kernel_regularizer=tf.keras.regularizers.l2(1e-4),
    )
    z_mean(x)
    model = build_vae(SHAPE, LATENT_DIM, hidden=(6, 5), head_initializer="glorot_normal", head_l2=1e-4)
    ours = model.encoder.z_mean
    assert (ours.name, ours.units, ours.kernel.shape) == (z_mean.name, z_mean.units, z_mean.kernel.shape)
    assert type(ours.kernel_initializer) is type(z_mean.kernel_initializer)
    assert ours.kernel_regularizer.get_config() == z_mean.kernel_regularizer.get_config()
    heads = (ours, model.encoder.z_log_var)
    penalty = sum(1e-4 * float(np.sum(head.kernel.numpy() ** 2)) for head in heads)
    assert float(sum(model.losses)) == pytest.approx(penalty, rel=1e-5)
    assert build_vae(SHAPE, LATENT_DIM).encoder.z_mean.kernel_regularizer is None


# ---------------------------------------------------------------- vae-training-improvements.md


def test_get_kl_weight_at_every_step_of_a_training() -> None:
    """The document's method, its attributes given, beside the model's own."""
    train_data_size, batch_size, annealing_epochs, kl_weight_max = 48, 8, 5, 0.001
    model = compiled(plain_vae(Objective(**MEANS)), run_eagerly=True)
    pairs = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            iterations = int(model.optimizer.iterations) - 1  # of the step that has just been made
            # Get current epoch from optimizer iterations
            current_epoch = iterations / (train_data_size // batch_size)

            # Linear annealing from 0 to kl_weight_max
            if current_epoch >= annealing_epochs:
                weight = kl_weight_max
            else:
                weight = (current_epoch / annealing_epochs) * kl_weight_max
            pairs.append((model.get_kl_weight(), weight))

    schedule = KLAnnealing(0.0, kl_weight_max, annealing_epochs)
    fit(model, examples(train_data_size), batch_size, 6, callbacks=[schedule, Watch()])
    found, expected = np.transpose(pairs)
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert (len(found), found[0], found[-1]) == (36, 0.0, pytest.approx(0.001))
    assert len(np.unique(found)) == 31  # 30 steps of 5 epochs, then the highest weight
    assert isinstance(model.get_kl_weight(), float)


def test_the_figures_of_the_validation_monitor(capsys: pytest.CaptureFixture[str]) -> None:
    """One batch holds all validation data here; with hardly a variance, the sample is the same for both."""
    x = examples(30, 9)
    model = plain_vae(Objective(**MEANS), beta=0.25)
    model.encoder.z_log_var.bias.assign([-45.0, -45.0])
    compiled(model, keras.optimizers.SGD(0.0))
    monitor = ValidationMonitor(x)
    assert isinstance(monitor, tf.keras.callbacks.Callback)
    history = fit(model, examples(20), 10, 2, callbacks=[monitor]).history
    # Get a batch of validation data
    val_batch = next(iter(tf.data.Dataset.from_tensor_slices(monitor.validation_data).batch(30)))

    # Forward pass
    z_mean, z_log_var, z = model.encoder(val_batch)
    reconstruction = model.decoder(z)

    # Calculate losses
    recon_loss = tf.reduce_mean(keras.losses.mean_squared_error(val_batch, reconstruction))  # not in tf.keras 3
    kl_loss = -0.5 * tf.reduce_mean(1 + z_log_var - tf.square(z_mean) - tf.exp(z_log_var))
    total = recon_loss + model.get_kl_weight() * kl_loss

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    for epoch, line in enumerate(lines):
        found = history["val_reconstruction_loss"][epoch], history["val_kl_loss"][epoch]
        assert found == pytest.approx((float(recon_loss), float(kl_loss)), rel=1e-5)
        assert history["val_total_loss"][epoch] == pytest.approx(float(total), rel=1e-5)
        assert line.startswith(f"epoch {epoch + 1}: validation ")
        figures = [float(number) for number in re.findall(r"\d+\.\d{6}\b", line)]
        assert figures == pytest.approx([float(recon_loss), float(kl_loss), 0.25, float(total)], rel=1e-5, abs=1e-6)


def test_the_trainings_of_both_documents_are_configurations() -> None:
    """0.001 over 5 epochs of the one, 0.0001 over 10 of the other, under losses that are means."""
    for name, weight, epochs, clip, penalty in (
        ("training_improvements", 0.001, 5, None, 0.0),
        ("kl_loss_fix", 0.0001, 10, (-20.0, 2.0), 1e-4),
    ):
        config = TrainingConfig.from_file(ROOT / "configs" / f"{name}_config.json")
        assert config.scheduler() == LinearBetaScheduler(weight, epochs)
        objective = Objective(**config.objective)
        assert (objective, objective.kl_clip) == (Objective(**MEANS, kl_clip=clip), clip)
        x = np.zeros((3, 28, 28, 1), "float32")
        model = build_vae((28, 28, 1), objective=objective, **config.model_options(Dataset("empty", x, x, x)))
        kinds = [type(layer).__name__ for layer in model.encoder.body.layers]
        assert kinds.count("Conv2D") == kinds.count("BatchNormalization") == 2
        assert model.encoder.heads.l2 == penalty
