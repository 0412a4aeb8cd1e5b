import copy
import pickle

import keras
import numpy as np
import pytest
import tensorflow as tf

from vaelib.schedules import ControlBetaScheduler, GecoBetaScheduler, ReconstructionBetaScheduler

SCHEDULERS = {
    "control": ControlBetaScheduler(target_kl=8.0, ki=0.01),
    "control with small bounds": ControlBetaScheduler(target_kl=8.0, ki=0.01, min_beta=0.2, max_beta=0.3),
    "geco": GecoBetaScheduler(tolerance=8.0, rate=0.02, smoothing=0.5),
    "geco with bounds": GecoBetaScheduler(tolerance=8.0, rate=0.05, smoothing=0.5, min_beta=0.8, max_beta=1.2),
    "relative": ReconstructionBetaScheduler(),
    "linear": ReconstructionBetaScheduler([(20, 0.1), (5, 0.8)], unit="mse", interpolation="linear", smoothing=0.3),
    "rate": ReconstructionBetaScheduler([(20, 0.1), (5, 0.8)], unit="nats", rate=0.5, allow_decrease=True),
}
# falls, overshoots, rises again: every schedule saturates or turns somewhere on the way
FIGURES = 20.0 * 0.9 ** np.arange(40.0) + 6.0 * (np.arange(40) > 25)
PARAMETERS = pytest.mark.parametrize("scheduler", SCHEDULERS.values(), ids=SCHEDULERS.keys())


def trajectory(scheduler, figures):
    """States and β after each figure, with plain floats and NumPy."""
    state, states = scheduler.init(), []
    for figure in figures:
        state, beta = scheduler.step(state, {scheduler.reads: float(figure)})
        assert beta == state["beta"]
        states.append(dict(state))
    return states


@PARAMETERS
def test_the_state_moves(scheduler) -> None:
    betas = [float(state["beta"]) for state in trajectory(scheduler, FIGURES)]
    assert len(set(betas)) > 4
    assert scheduler.bounds[0] <= min(betas) <= max(betas) <= scheduler.bounds[1]


@PARAMETERS
def test_step_is_pure(scheduler) -> None:
    state = trajectory(scheduler, FIGURES[:7])[-1]
    before, logs = dict(state), {scheduler.reads: 3.0}
    first, second = scheduler.step(state, logs), scheduler.step(state, logs)
    assert first == second
    assert state == before
    assert logs == {scheduler.reads: 3.0}
    assert set(first[0]) == set(scheduler.init())


@PARAMETERS
def test_an_array_of_members_equals_each_alone(scheduler) -> None:
    rng = np.random.default_rng(0)
    figures = FIGURES[:, np.newaxis] * rng.uniform(0.5, 1.5, 8)
    state = {name: np.full(8, value) for name, value in scheduler.init().items()}
    alone = [trajectory(scheduler, member) for member in figures.T]
    for t, row in enumerate(figures):
        state, beta = scheduler.step(state, {scheduler.reads: row})
        assert beta is state["beta"]
        for name, values in state.items():
            assert (values.shape, values.dtype) == ((8,), np.float64)
            np.testing.assert_array_equal(values, [member[t][name] for member in alone])


@PARAMETERS
def test_the_same_inside_a_graph(scheduler) -> None:
    @tf.function
    def run(figures):
        state = {name: tf.constant(value, "float32") for name, value in scheduler.init().items()}
        betas = tf.TensorArray("float32", size=len(FIGURES))
        for t in tf.range(len(FIGURES)):  # a loop of the graph: every entry has to keep its shape and type
            state, beta = scheduler.step(state, {scheduler.reads: figures[t]}, xp=keras.ops)
            betas = betas.write(t, beta)
        return betas.stack()

    expected = [state["beta"] for state in trajectory(scheduler, FIGURES)]
    np.testing.assert_allclose(run(tf.constant(FIGURES, "float32")), expected, rtol=2e-5, atol=1e-6)


@PARAMETERS
def test_members_inside_a_graph(scheduler) -> None:
    figures = (FIGURES[:, np.newaxis] * np.array([0.7, 1.0, 1.3])).astype("float32")
    state = {name: tf.fill([3], tf.constant(value, "float32")) for name, value in scheduler.init().items()}
    for t, row in enumerate(figures):
        state, _ = scheduler.step(state, {scheduler.reads: row}, xp=keras.ops)
        assert {(tuple(value.shape), value.dtype) for value in state.values()} == {((3,), tf.float32)}, t
    expected = [trajectory(scheduler, member)[-1]["beta"] for member in figures.T]
    np.testing.assert_allclose(state["beta"], expected, rtol=2e-5, atol=1e-6)


@PARAMETERS
def test_float32_members_stay_float32_in_numpy(scheduler) -> None:
    state = {name: np.full(2, value, "float32") for name, value in scheduler.init().items()}
    for figure in FIGURES[:3]:
        state, _ = scheduler.step(state, {scheduler.reads: np.full(2, figure, "float32")})
    assert {value.dtype for value in state.values()} == {np.dtype("float32")}


@PARAMETERS
def test_outside_a_loop_update_does_the_same(scheduler) -> None:
    scheduler = copy.deepcopy(scheduler)
    fresh, start = copy.deepcopy(scheduler), scheduler(0)
    assert start == scheduler.init()["beta"]
    for figure, state in zip(FIGURES, trajectory(scheduler, FIGURES), strict=True):
        beta = scheduler.update({scheduler.reads: figure, "total_loss": np.nan})
        assert type(beta) is float
        assert beta == scheduler(0) == scheduler(1e6) == state["beta"]
    # the state is neither configuration nor identity
    assert scheduler == fresh
    assert hash(scheduler) == hash(fresh)
    assert scheduler.get_config() == fresh.get_config()
    assert repr(scheduler) == repr(fresh)
    assert pickle.loads(pickle.dumps(scheduler))(0) == scheduler(0)
    assert fresh(0) == start
    scheduler.reset()
    assert scheduler(0) == start
    fresh.reset()


@PARAMETERS
@pytest.mark.parametrize("figure", [np.nan, np.inf, None, "1", True, [1.0]])
def test_update_refuses_figures(scheduler, figure) -> None:
    scheduler = copy.deepcopy(scheduler)
    with pytest.raises(ValueError, match=f"^Argument `{scheduler.reads}` must be a finite number.*Received: "):
        scheduler.update({scheduler.reads: figure})
    assert scheduler(0) == scheduler.init()["beta"]


@PARAMETERS
@pytest.mark.parametrize("logs", [None, 3.0, [("kl_loss", 3.0)], {}, {"loss": 1.0}])
def test_update_refuses_logs(scheduler, logs) -> None:
    with pytest.raises(ValueError, match="^Argument `logs` must .*Received: logs="):
        scheduler.update(logs)


def test_negative_figures_where_they_can_be() -> None:
    with pytest.raises(ValueError, match=r"Argument `kl_loss` must be a finite number >= 0. Received: kl_loss=-0.1\."):
        ControlBetaScheduler(1.0).update({"kl_loss": -0.1})
    for scheduler in (
        ReconstructionBetaScheduler(),
        ReconstructionBetaScheduler(unit="mse"),
        GecoBetaScheduler(1.0, unit="squared_error"),
    ):
        with pytest.raises(ValueError, match="Argument `reconstruction_loss` must be a finite number >= 0"):
            scheduler.update({"reconstruction_loss": -0.1})
    assert GecoBetaScheduler(-3.0).update({"reconstruction_loss": -3.0}) == 1.0


@PARAMETERS
def test_epochs_are_checked_all_the_same(scheduler) -> None:
    with pytest.raises(ValueError, match="Argument `epoch`"):
        scheduler(-1)
