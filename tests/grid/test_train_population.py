"""Population-based training of β: who copies whom, and what is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from vaelib import (
    BetaVAE,
    Dataset,
    PopulationResult,
    build_vae,
    fit_sigma2,
    negative_elbo,
    train_grid,
    train_population,
)
from vaelib.grid.population import _Exploration, _found
from vaelib.grid.stack import Stack

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(100, 2)) @ RNG.normal(size=(2, 8)) + 0.1 * RNG.normal(size=(100, 8))).astype("float32")
DATA = Dataset("plane", X[:60], X[60:80], X[80:])


def build(seed: int) -> BetaVAE:
    return build_vae((8,), 3, hidden=(8,), batch_norm=False, dropout=0.0, seed=seed)


def trained(**options: Any) -> PopulationResult:
    arguments = {"population": 4, "seeds": 2, "epochs": 7, "batch_size": 16, "every": 2, "learning_rate": 0.01}
    return train_population(build, DATA, **arguments | options)


@pytest.fixture(scope="module")
def result() -> PopulationResult:
    return trained()


def test_the_worst_copy_the_best_and_vary_its_beta() -> None:
    value = np.array([[3.0, 1.0, 2.0, np.nan], [4.0, 3.0, 2.0, 1.0]])
    beta = np.array([[1.0, 2.0, 3.0, 4.0], [5.0, 6.0, 7.0, 8.0]])
    chances = [np.random.default_rng(seed) for seed in (0, 1)]
    source, after = _Exploration(1, 1.25, 0.1, 10.0).next(value, beta, chances)
    assert source.tolist() == [[0, 1, 2, 1], [3, 1, 2, 3]]
    assert after[0, :3].tolist() == [1.0, 2.0, 3.0]
    assert after[0, 3] in (2.0 * 1.25, 2.0 / 1.25)
    assert after[1, 0] in (8.0 * 1.25, 8.0 / 1.25)
    assert _Exploration(1, 1.25, 0.1, 6.0).next(value, beta, chances)[1][1, 0] == 6.0


def test_the_keyboard_ends_it_with_what_was_trained(result: PopulationResult, monkeypatch: pytest.MonkeyPatch) -> None:
    train_epoch = Stack.train_epoch

    def interrupted(self: Stack, epoch: int) -> Any:
        if epoch == ends:
            raise KeyboardInterrupt
        return train_epoch(self, epoch)

    monkeypatch.setattr(Stack, "train_epoch", interrupted)
    ends = 3
    stopped = trained()
    assert stopped.interrupted
    assert len(stopped.final) == 2
    assert set(stopped.copies["epoch"]) == {1}
    expected = result.history.query("epoch < 3").reset_index(drop=True)
    np.testing.assert_allclose(stopped.history["val_total_loss"], expected["val_total_loss"], rtol=1e-6)
    ends = 0
    with pytest.raises(KeyboardInterrupt):
        trained()


def test_tables(result: PopulationResult) -> None:
    assert result.final[["schedule", "seed"]].to_numpy().tolist() == [["population", 0], ["population", 1]]
    assert len(result.history) == 4 * 2 * 7
    assert len(result.copies) == 2 * 3  # one of four, after epochs 1, 3 and 5
    assert set(result.copies["epoch"]) == {1, 3, 5}
    betas = result.history.set_index(["member", "seed", "epoch"])["beta"]
    for copy in result.copies.itertuples():
        own = betas.loc[copy.member, copy.seed]
        assert own[copy.epoch + 1] == pytest.approx(copy.beta, rel=1e-6)
        source = betas.loc[copy.source, copy.seed]
        assert copy.beta / source[copy.epoch] == pytest.approx(1.25) or copy.beta / source[copy.epoch] == pytest.approx(
            0.8
        )
    assert result.history["beta"].between(0.1, 10).all()


def test_the_best_member_on_validation_data_is_reported(result: PopulationResult) -> None:
    best = result.history.groupby("seed")["val_negative_elbo"].min()
    assert result.final.set_index("seed")["val_negative_elbo"].to_dict() == pytest.approx(best.to_dict())
    model = result.model("population", 1)
    test = negative_elbo(model, DATA.x_test, fit_sigma2(model, DATA.x_train))
    row = result.final.set_index("seed").loc[1]
    assert row["negative_elbo"] == pytest.approx(test.negative_elbo, rel=1e-5)
    assert model.get_kl_weight() == pytest.approx(
        result.history.query("seed == 1")
        .set_index("epoch")
        .loc[row["best_epoch"]]["beta"]
        .tolist()[
            int(np.argmin(result.history.query(f"seed == 1 and epoch == {row['best_epoch']}")["val_negative_elbo"]))
        ]
    )


def test_the_schedule_that_was_found_is_that_of_the_kept_weights() -> None:
    """Members 2 and 0 of seed 4: the first took over 1's weights after epoch 1, that one 3's after epoch 0."""
    epochs = [(seed, member, epoch) for seed in (4, 7) for member in range(4) for epoch in range(4)]
    history = pd.DataFrame(epochs, columns=["seed", "member", "epoch"])
    history["beta"] = 100.0 * history["seed"] + 10 * history["member"] + history["epoch"]
    copies = pd.DataFrame([[4, 0, 1, 3], [4, 1, 2, 1], [4, 2, 2, 0]], columns=["seed", "epoch", "member", "source"])
    final = pd.DataFrame({"seed": [4, 7], "member": [2, 1], "best_epoch": pd.array([2, None], dtype="Int64")})
    found = _found(final, history, copies)
    assert found["seed"].tolist() == [4] * 3 + [7] * 4
    assert found["epoch"].tolist() == [0, 1, 2, 0, 1, 2, 3]
    assert found["member"].tolist() == [3, 1, 2] + [1] * 4
    assert found["beta"].tolist() == [430, 411, 422, 710, 711, 712, 713]


def test_what_was_found_ends_as_the_kept_member(result: PopulationResult) -> None:
    for row in result.final.itertuples():
        own = result.found[result.found["seed"] == row.seed]
        assert own["epoch"].tolist() == list(range(row.best_epoch + 1))
        assert own["member"].iloc[-1] == row.member
        assert own["beta"].iloc[-1] == pytest.approx(result.model("population", row.seed).get_kl_weight())
    assert repr(result) == "PopulationResult(4 members × 2 seeds)"


def test_without_a_round_of_copying_members_are_those_of_a_grid() -> None:
    alone = trained(every=7)
    assert alone.copies.empty
    betas = alone.history.query("epoch == 0 and seed == 0").set_index("member")["beta"].rename(str).to_dict()
    grid = train_grid(build, DATA, betas, seeds=[0], epochs=7, batch_size=16, learning_rate=0.01)
    expected = alone.history.query("seed == 0").reset_index(drop=True)
    np.testing.assert_allclose(grid.history["val_total_loss"], expected["val_total_loss"], rtol=1e-5)


def test_a_copy_goes_on_as_its_source_would_have() -> None:
    """With a factor near 1, the copy's next epoch is nearly its source's: weights and Adam's moments came along."""
    result = trained(factor=1 + 1e-6, every=3, epochs=4, seeds=1)
    (copy,) = result.copies.itertuples()
    after = result.history.query("epoch == 3").set_index("member")["val_total_loss"]
    assert after[copy.member] == pytest.approx(after[copy.source], rel=1e-4)


def test_the_same_call_gives_the_same_population(result: PopulationResult) -> None:
    again = trained()
    assert again.copies["source"].tolist() == result.copies["source"].tolist()


@pytest.mark.parametrize(("changed", "message"), [
    ({"population": 3}, "`population` must be an integer >= 4. Received: population=3."),
    ({"every": 0}, "`every` must be an integer >= 1."),
    ({"share": 0.6}, "`share` must be <= 0.5: who is copied does not give up. Received: share=0.6."),
    ({"share": 0.0}, "`share` must be a finite number > 0."),
    ({"factor": 1.0}, "`factor` must be a finite number > 1."),
    ({"betas": (1.0, 1.0)}, "`betas` must be a pair (low, high) with 0 < low < high. Received: betas=(1.0, 1.0)."),
    ({"betas": 3.0}, "`betas` must be a pair (low, high) with 0 < low < high."),
    ({"betas": (0.0, 1.0)}, "`betas[0]` must be a finite number > 0."),
    ({"verbose": 2}, "`verbose` must be 'auto', 0 or 1."),
    ({"seeds": []}, "`seeds` must be an integer >= 1, or a list of integers >= 0, none of them twice."),
])  # fmt: skip
def test_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match="^Argument ") as error:
        trained(**changed)
    assert f"Argument {message}" in str(error.value)


def test_a_model_with_two_weights_is_refused() -> None:
    with pytest.raises(ValueError, match="HierarchicalVAE with global_kl_weight and local_kl_weight"):
        train_population(lambda seed: build_vae((8,), 2, local_dim=2, hidden=(4,), seed=seed), DATA, batch_size=16)
