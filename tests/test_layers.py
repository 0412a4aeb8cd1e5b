import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from vaelib import Sampling

Z_MEAN = np.array([[0.5, -1.0, 3.0], [0.0, 2.0, -7.0]], "float32")
Z_LOG_VAR = np.array([[0.0, np.log(4), np.log(0.25)], [-50.0, 2.0, 1.0]], "float32")


def draw(seed):
    return ops.convert_to_numpy(Sampling(seed)((Z_MEAN, Z_LOG_VAR)))


def test_given_noise_is_used_as_it_is():
    noise = np.array([[1.0, -2.0, 0.5], [3.0, 0.0, -1.0]], "float32")
    z = ops.convert_to_numpy(Sampling()((Z_MEAN, Z_LOG_VAR), noise=noise))
    expected = [[1.5, -5.0, 3.25], [3 * np.exp(-25), 2.0, -7 - np.exp(0.5)]]  # by hand
    np.testing.assert_allclose(z, expected, rtol=1e-6)


def test_drawn_noise_has_the_mean_and_the_standard_deviation_asked_for():
    shape = (200_000, 1)
    z = Sampling(3)((ops.full(shape, 3.0), ops.full(shape, float(np.log(4)))))
    assert abs(float(ops.mean(z)) - 3) < 5 * 2 / np.sqrt(200_000)
    assert abs(float(ops.std(z)) - 2) < 5 * np.sqrt(2) / np.sqrt(200_000)


def test_a_layer_repeats_itself_whatever_the_global_seed():
    keras.utils.set_random_seed(1)
    first = draw(7)
    keras.utils.set_random_seed(2)
    np.testing.assert_array_equal(draw(7), first)


def test_seeds_and_successive_draws_differ():
    assert not np.allclose(draw(7)[0], draw(8)[0])
    layer = Sampling(7)
    one, two = (ops.convert_to_numpy(layer((Z_MEAN, Z_LOG_VAR))) for _ in range(2))
    assert not np.allclose(one[0], two[0])


def test_given_noise_leaves_the_generator_alone():
    layer = Sampling(7)
    layer((Z_MEAN, Z_LOG_VAR), noise=ops.zeros((2, 3)))
    np.testing.assert_array_equal(ops.convert_to_numpy(layer((Z_MEAN, Z_LOG_VAR))), draw(7))


def test_gradients_reach_mean_and_log_variance():
    mean, log_var = tf.Variable(Z_MEAN), tf.Variable(Z_LOG_VAR)
    noise = np.array([[1.0, -2.0, 0.5], [3.0, 0.0, -1.0]], "float32")
    with tf.GradientTape() as tape:
        z = Sampling()((mean.value(), log_var.value()), noise=noise)
    to_mean, to_log_var = tape.gradient(z, [mean, log_var])
    np.testing.assert_array_equal(to_mean, np.ones((2, 3)))
    np.testing.assert_allclose(to_log_var, 0.5 * np.exp(Z_LOG_VAR / 2) * noise, rtol=1e-6)


def test_shape_and_round_trip():
    layer = Sampling(11, name="z")
    assert layer.compute_output_shape([(None, 4), (None, 4)]) == (None, 4)
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert (type(twin), twin.seed, twin.name) == (Sampling, 11, "z")
    np.testing.assert_array_equal(ops.convert_to_numpy(twin((Z_MEAN, Z_LOG_VAR))), draw(11))


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None, True])
def test_refuses_a_seed(seed):
    with pytest.raises(ValueError, match="Argument `seed` must be an integer >= 0. Received: seed="):
        Sampling(seed)
