import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from small_models import compiled, examples, fit, reused, same, small_dataset, small_vae, weights

from vaelib import BetaVAE, Encoder, KLAnnealing, StepLog, dense_decoder, load_vae, train_vae
from vaelib.randomness import generator_states, initializer, normal_at, normal_rows, order_at, stream

NAMES = ("noise", "order", "evaluation", "prior", "dropout/0", "dropout/1", "initialisation/z_mean")


def test_streams_are_31_bit_and_all_different():
    seeds = [stream(seed, name) for seed in range(200) for name in NAMES]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**31 for seed in seeds)
    bits = np.array(seeds)[:, None] >> np.arange(31) & 1
    assert np.abs(bits.mean(0) - 0.5).max() < 5 * 0.5 / np.sqrt(len(seeds))


def test_a_stream_is_the_same_in_every_version():
    assert stream(0, "noise") == 615332527
    assert stream(1, "order") == 44505050


def test_order_is_a_permutation_of_its_own_in_each_epoch():
    orders = [order_at(100, 5, epoch).numpy() for epoch in range(4)]
    for order in orders:
        np.testing.assert_array_equal(np.sort(order), np.arange(100))
    agreements = [np.mean(a == b) for i, a in enumerate(orders) for b in orders[:i]]
    assert max(agreements) < 0.1
    np.testing.assert_array_equal(order_at(100, 5, 2), orders[2])
    assert not np.array_equal(order_at(100, 6, 2), orders[2])
    compiled_order = tf.function(lambda epoch: order_at(100, 5, epoch))
    np.testing.assert_array_equal(compiled_order(tf.constant(3, "int64")), orders[3])


def test_noise_depends_on_seed_and_position_alone():
    first = normal_at((50, 4), 9, 17).numpy()
    tf.random.set_seed(3)
    normal_at((50, 4), 9, 16)
    np.testing.assert_array_equal(normal_at((50, 4), 9, 17), first)
    np.testing.assert_array_equal(tf.function(normal_at)((50, 4), 9, tf.constant(17, "int64")), first)
    for other in (normal_at((50, 4), 9, 18), normal_at((50, 4), 10, 17)):
        assert abs(np.corrcoef(first.ravel(), np.ravel(other))[0, 1]) < 5 / np.sqrt(200)


@pytest.mark.parametrize("width", [1, 3, 4, 16])
def test_rows_of_noise_belong_to_their_number(width):
    whole = normal_rows(1000, width, 5, 0).numpy()
    parts = [normal_rows(size, width, 5, first).numpy() for first, size in ((0, 7), (7, 693), (700.0, 300))]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    assert whole.shape == (1000, width)
    assert len(np.unique(whole)) == whole.size
    assert abs(whole.mean()) < 5 / np.sqrt(whole.size)
    assert abs(whole.std() - 1) < 5 / np.sqrt(2 * whole.size)
    other = normal_rows(1000, width, 6, 0).numpy()
    assert abs(np.corrcoef(whole.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(whole.size)


def test_initialisers_belong_to_seed_and_layer():
    def kernel(seed, layer):
        return ops.convert_to_numpy(initializer("HeNormal", seed, layer)((200, 100)))

    first = kernel(0, "encoder_0")
    keras.utils.set_random_seed(5)
    np.testing.assert_array_equal(kernel(0, "encoder_0"), first)
    for other in (kernel(0, "encoder_1"), kernel(1, "encoder_0")):
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 5 / np.sqrt(20_000)
    assert first.std() == pytest.approx(np.sqrt(2 / 200), rel=0.03)


def test_dropout_depends_on_the_position_alone():
    one, two = layers.Dropout(0.5, seed=1), layers.Dropout(0.5, seed=1)
    generators = [one.seed_generator, two.seed_generator]
    ones = np.ones((8, 32), "float32")

    def masks(position):
        for generator, state in zip(generators, generator_states(generators, 4, position), strict=True):
            generator.state.assign(state)
        return [ops.convert_to_numpy(layer(ones, training=True)) for layer in (one, two)]

    first = masks(3)
    assert not np.array_equal(*first)  # each layer has a stream of its own
    other = masks(4)
    assert not np.array_equal(first[0], other[0])
    assert same(masks(3), first)


def test_models_are_functions_of_their_seed():
    assert same(weights(small_vae(seed=3)), weights(small_vae(seed=3)))
    one, other = small_vae(seed=3), small_vae(seed=4)
    assert not np.array_equal(one.encoder.z_mean.kernel.numpy(), other.encoder.z_mean.kernel.numpy())
    assert not np.array_equal(one.encoder.z_mean.kernel.numpy(), one.encoder.z_log_var.kernel.numpy())


@pytest.fixture(scope="module")
def trainings():
    """Two trainings that should be one, one under another schedule, one with another seed."""
    settings = {
        "one": (0, 0.5),
        "twin": (0, 0.5),
        "schedule": (0, lambda epoch: 3.0 * epoch),
        "seed": (1, 0.5),
    }
    return {
        name: train_vae(small_vae(seed=seed, dropout=0.4), small_dataset(), 2, scheduler=beta, batch_size=16)
        for name, (seed, beta) in settings.items()
    }


def test_one_seed_gives_one_training(trainings):
    one, twin, seed = (trainings[name] for name in ("one", "twin", "seed"))
    assert same(weights(one.model), weights(twin.model))
    assert one.steps.equals(twin.steps)
    assert one.test == twin.test
    assert not one.steps.reconstruction_loss.isin(seed.steps.reconstruction_loss).any()


def test_the_schedule_changes_no_draw(trainings):
    one, schedule = (trainings[name].steps.loc[0] for name in ("one", "schedule"))
    assert one.beta != schedule.beta
    for column in ("reconstruction_loss", "kl_loss", "mean_squared_error"):
        assert one[column] == schedule[column]


def test_frozen_models_see_the_same_losses_under_any_schedule():
    def frozen():
        return compiled(small_vae(dropout=0.5), keras.optimizers.SGD(0.0), steps_per_execution=4)

    logs = []
    for annealing in (KLAnnealing(0.0, 0.0), KLAnnealing(10.0, 0.0, total_epochs=2)):
        model, log = reused(frozen), StepLog()
        fit(model, examples(50), 16, 3, callbacks=[log, annealing])
        logs.append(log.frame())
    columns = ["reconstruction_loss", "kl_loss", "mean_squared_error"]
    assert logs[0][columns].equals(logs[1][columns])
    assert (logs[0].beta == 0).all()
    assert (logs[1].beta[:8] > 0).all()
    # noise and dropout differ from step to step: no loss occurs twice, though weights and data do
    assert logs[0].reconstruction_loss.is_unique
    assert logs[0].kl_loss.is_unique


def test_every_random_layer_is_a_function_of_seed_and_step():
    """Also one that is no Dropout, and whatever was drawn from it before."""

    def train(before):
        body = keras.Sequential([keras.Input((4, 3)), keras.layers.Flatten(), keras.layers.GaussianNoise(0.5, seed=1)])
        model = compiled(BetaVAE(Encoder(body, 2), dense_decoder((4, 3), 2)), run_eagerly=True)
        for _ in range(before):
            body(examples(4), training=True)
        fit(model, examples(40), 16, 1)
        return weights(model)

    states = [train(before) for before in (0, 3)]
    assert same(*states)


@pytest.mark.filterwarnings("ignore:beta comes to")
def test_a_resumed_training_repeats_an_uninterrupted_one(tmp_path):
    def train(model, start, stop):
        fit(model, examples(40), 16, stop, start, [KLAnnealing(0, 2, total_epochs=3)])

    def begun():
        return compiled(small_vae(dropout=0.3))

    model = reused(begun)
    train(model, 0, 4)
    whole = weights(model)
    first = reused(begun)
    train(first, 0, 2)
    first.save(tmp_path / "vae.keras")
    resumed = load_vae(tmp_path / "vae.keras")
    train(resumed, 2, 4)
    assert int(resumed.optimizer.iterations) == 12
    assert same(weights(resumed), whole)
