import keras
import numpy as np
import pytest
import tensorflow as tf
from small_models import compiled, examples, fit, plain_vae

from vaelib import BetaSchedule, CyclicalBetaScheduler, KLAnnealing, LinearBetaScheduler, StepLog

pytestmark = pytest.mark.filterwarnings("ignore:beta comes to .* at most")  # most trainings here end early
STEPS = 7  # of 8 examples, the last of 2


def recorded(model, callback, epochs, start=0):
    """β of every step as the compiled step used it, the history, and what β is in the end."""
    log = StepLog()
    history = fit(model, examples(50), 8, epochs, start, [log, callback]).history
    return log.frame().beta.to_numpy(), history


def eager():
    return compiled(plain_vae(), run_eagerly=True)


@pytest.fixture(scope="module", params=[1, 4, STEPS])
def graph(request):
    """A compiled model and the traces of its step; 4 steps an execution leave 3 for the last."""
    model, traces = compiled(plain_vae(), steps_per_execution=request.param), []
    step = model.train_step
    model.train_step = lambda x: (traces.append(1), step(x))[1]
    return model, traces


def test_beta_is_the_schedules_at_every_step(graph):
    model, _ = graph
    betas, history = recorded(model, KLAnnealing(0.2, 1.0, total_epochs=2.5), 4)
    time = np.arange(4 * STEPS) / STEPS
    expected = 0.2 + 0.8 * np.minimum(time / 2.5, 1)
    np.testing.assert_allclose(betas, expected, rtol=1e-6)
    assert betas[0] == np.float32(0.2)
    assert (betas[18:] == 1).all()  # step 18 is epoch 2.57: β stays at the target
    assert (betas[:18] < 1).all()
    np.testing.assert_allclose(history["beta"], expected[STEPS - 1 :: STEPS], rtol=1e-6)
    assert model.get_kl_weight() == 1.0


def test_loss_uses_the_beta_that_is_logged(graph):
    log = StepLog()
    fit(graph[0], examples(50), 8, 2, callbacks=[log, KLAnnealing(0, 4, total_epochs=2)])
    rows = log.frame()
    np.testing.assert_allclose(rows.total_loss, rows.reconstruction_loss + rows.beta * rows.kl_loss, rtol=1e-5)


def test_a_second_training_starts_its_schedule_anew(graph):
    model, traces = graph
    recorded(model, KLAnnealing(0, 1, total_epochs=2), 1)
    before = len(traces)
    betas, _ = recorded(model, BetaSchedule(LinearBetaScheduler(max_beta=3.0, warmup_epochs=1)), 2)
    np.testing.assert_allclose(betas, 3 * np.minimum(np.arange(2 * STEPS) / STEPS, 1), rtol=1e-6)
    betas, _ = recorded(model, BetaSchedule(lambda epoch: 5.0), 1)
    assert (betas == 5).all()
    assert len(traces) == before > 0  # another schedule, of another length, is no new trace


def test_a_later_first_epoch_is_that_of_the_schedule(graph):
    betas, history = recorded(graph[0], KLAnnealing(0, 1, total_epochs=10), 5, start=3)
    np.testing.assert_allclose(betas, (3 + np.arange(2 * STEPS) / STEPS) / 10, rtol=1e-6)
    np.testing.assert_allclose(history["beta"], [(3 + 6 / 7) / 10, (4 + 6 / 7) / 10], rtol=1e-6)


def test_per_epoch_beta_stands_still_inside_an_epoch(graph):
    betas, history = recorded(graph[0], KLAnnealing(0, 1, total_epochs=4, per="epoch"), 6)
    expected = [0, 0.25, 0.5, 0.75, 1, 1]
    np.testing.assert_array_equal(betas, np.repeat(expected, STEPS))
    assert history["beta"] == expected


def test_per_epoch_passes_integers():
    callback = BetaSchedule(lambda epoch: [0.5, 2.0, 1.0][epoch], per="epoch")
    assert recorded(eager(), callback, 3)[1]["beta"] == [0.5, 2.0, 1.0]
    assert callback.first_peak(3) == 1.0


def test_afterwards_beta_is_free_again(graph):
    model, _ = graph
    recorded(model, KLAnnealing(0, 1, total_epochs=1), 2)
    model.beta.assign(0.125)
    betas, _ = recorded(model, keras.callbacks.Callback(), 1)
    assert (betas == 0.125).all()


class Interrupt(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        raise KeyboardInterrupt


def test_an_interrupted_training_leaves_no_schedule_behind():
    model = eager()
    with pytest.raises(KeyboardInterrupt):
        fit(model, examples(50), 8, 2, callbacks=[KLAnnealing(0.25, 1), Interrupt()])
    model.beta.assign(0.75)
    betas, _ = recorded(model, keras.callbacks.Callback(), 1)
    assert (betas == 0.75).all()


def test_one_callback_serves_two_trainings():
    callback = KLAnnealing(0, 1, total_epochs=2)
    for _ in range(2):
        betas, _ = recorded(eager(), callback, 1)
        np.testing.assert_allclose(betas, np.arange(STEPS) / STEPS / 2, rtol=1e-6)


def unknown_length():
    spec = tf.TensorSpec((None, 4, 3))
    return tf.data.Dataset.from_generator(lambda: iter([examples(8), examples(4)]), output_signature=spec)


def test_per_step_needs_to_know_the_number_of_steps():
    with pytest.raises(ValueError, match="`per` must be 'epoch' where the number of steps is unknown.*steps_per_epoch"):
        eager().fit(unknown_length(), callbacks=[KLAnnealing()], verbose=0, shuffle=False)


@pytest.mark.filterwarnings("ignore:Your input ran out of data:UserWarning")  # Keras says so for any such data
def test_per_epoch_does_not():
    callback = KLAnnealing(0, 1, total_epochs=2, per="epoch")
    history = eager().fit(unknown_length(), callbacks=[callback], epochs=2, verbose=0, shuffle=False).history
    assert history["beta"] == [0.0, 0.5]


def test_annealing_by_hand():
    up, down = KLAnnealing(), KLAnnealing(2.0, 0.5, total_epochs=4)
    assert [up.scheduler(epoch) for epoch in (0, 2.5, 10, 11, 500)] == [0.0, 0.25, 1.0, 1.0, 1.0]
    assert [down.scheduler(epoch) for epoch in (0, 2, 4, 5)] == [2.0, 1.25, 0.5, 0.5]
    assert (up.first_peak(3), down.first_peak(3), KLAnnealing(1, 1, 10).first_peak(3)) == (10, 4, 0)


def test_annealing_downwards_is_to_end_at_its_target():
    assert KLAnnealing(2.0, 0.5, total_epochs=4).finish_warning(4, STEPS) is not None
    assert KLAnnealing(2.0, 0.5, total_epochs=4).finish_warning(5, STEPS) is None
    assert KLAnnealing(0.0, 1.0, total_epochs=40).finish_warning(10, 100).startswith("beta comes to 0.25 at most")


def test_plain_fit_warns_once_a_training_of_an_end_away_from_the_top():
    model, callback = eager(), BetaSchedule(CyclicalBetaScheduler(2))
    said = "beta ends at 0.0495 after 2 epochs, away from its highest value 1: choose a schedule"
    for _ in range(2):
        with pytest.warns(UserWarning, match=said) as caught:
            fit(model, examples(50), 8, 2, callbacks=[callback])
        assert len(caught) == 1


def test_plain_fit_warns_of_epochs_whatever_their_steps():
    said = "beta ends at 2 after 1 epoch, away from its final value 0.5: train for 5 epochs"
    callback = KLAnnealing(2.0, 0.5, total_epochs=4, per="epoch")
    with pytest.warns(UserWarning, match=said):
        fit(eager(), examples(8), 8, 1, callbacks=[callback])


def test_first_peak_of_a_schedule_and_of_any_callable():
    assert BetaSchedule(LinearBetaScheduler(1.0, 12)).first_peak(5) == 12
    assert BetaSchedule(lambda epoch: min(epoch, 2.5)).first_peak(5) == 2.5
    assert BetaSchedule(LinearBetaScheduler(1.0, 2.5), per="epoch").first_peak(5) == 3
    assert KLAnnealing(0, 1, 2.5, per="epoch").first_peak(5) == 3


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: BetaSchedule(0.5), "scheduler"),
        (lambda: BetaSchedule(None), "scheduler"),
        (lambda: BetaSchedule(abs, per="batch"), "per"),
        (lambda: KLAnnealing(-0.1), "start_beta"),
        (lambda: KLAnnealing(target_beta=np.nan), "target_beta"),
        (lambda: KLAnnealing(total_epochs=0), "total_epochs"),
        (lambda: KLAnnealing(total_epochs="10"), "total_epochs"),
    ],
)
def test_refuses(make, name):
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must .*Received: {name}="):
        make()


@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf, None, "1"])
def test_a_schedule_that_returns_no_weight_stops_before_the_first_step(value):
    model = eager()
    with pytest.raises(ValueError, match="Argument `scheduler` must give a finite number >= 0 at every epoch"):
        fit(model, examples(8), 8, 3, callbacks=[BetaSchedule(lambda epoch: value if epoch >= 2 else 1.0)])
    assert int(model.optimizer.iterations) == 0
