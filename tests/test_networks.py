import keras
import numpy as np
import pytest
from keras import layers, ops
from small_models import SHAPE, examples, numpy_forward, plain_vae, small_vae

from vaelib import (
    Encoder,
    HierarchicalVAE,
    Sampling,
    build_vae,
    conv_decoder,
    conv_encoder,
    dense_decoder,
    dense_encoder,
)


def summary(network):
    """(class, width, activation) of each layer, or (class, rate)."""
    rows = []
    for layer in network.layers:
        if isinstance(layer, layers.Dense):
            rows.append(("Dense", layer.units, layer.activation.__name__))
        elif isinstance(layer, layers.Dropout):
            rows.append(("Dropout", layer.rate))
        elif isinstance(layer, layers.BatchNormalization):
            rows.append(("BatchNormalization", layer.momentum))
        else:
            rows.append((type(layer).__name__,))
    return rows


def test_encoder_is_the_documents():
    encoder = dense_encoder((8, 8, 1), latent_dim=16)
    assert summary(encoder.body) == [
        ("InputLayer",),
        ("Flatten",),
        ("Dense", 64, "relu"),
        ("BatchNormalization", 0.9),
        ("Dropout", 0.1),
        ("Dense", 32, "relu"),
    ]
    for head in (encoder.z_mean, encoder.z_log_var):
        assert (head.units, head.activation.__name__, head.kernel.shape) == (16, "linear", (32, 16))
    assert isinstance(encoder.sampling, Sampling)


def test_decoder_mirrors_it_with_a_linear_output():
    decoder = dense_decoder((8, 8, 1), latent_dim=16)
    assert summary(decoder) == [
        ("InputLayer",),
        ("Dense", 32, "relu"),
        ("BatchNormalization", 0.9),
        ("Dropout", 0.1),
        ("Dense", 64, "relu"),
        ("Dense", 64, "linear"),
        ("Reshape",),
    ]
    assert (decoder.input_shape, decoder.output_shape) == ((None, 16), (None, 8, 8, 1))
    # 16·32+32, 4·32 of batch norm, 32·64+64, 64·64+64
    assert decoder.count_params() == 544 + 128 + 2112 + 4160


def test_options_leave_layers_out():
    def names(**options):
        return [row[0] for row in summary(dense_encoder(SHAPE, 2, hidden=(5, 4, 3), **options).body)][2:]

    assert names(batch_norm=False) == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert names(dropout=0) == ["Dense", "BatchNormalization", "Dense", "BatchNormalization", "Dense"]
    single = summary(dense_encoder(SHAPE, 2, hidden=[7]).body)
    assert [row[0] for row in single][2:] == ["Dense", "BatchNormalization", "Dropout"]


def test_initialiser_is_that_of_the_relu_layers():
    body = dense_encoder((30, 30), 2, hidden=(300, 4), kernel_initializer="HeNormal").body
    kernel = body.get_layer("encoder_0").kernel.numpy()
    assert kernel.std() == pytest.approx(np.sqrt(2 / 900), rel=0.02)
    kernel = dense_encoder((30, 30), 2, hidden=(300, 4)).body.get_layer("encoder_0").kernel.numpy()
    assert np.abs(kernel).max() == pytest.approx(np.sqrt(6 / 1200), rel=0.01)  # Glorot uniform


@pytest.mark.parametrize("make", [small_vae, plain_vae])
def test_forward_pass_is_the_formula(make):
    model, x = make(), examples(9)
    noise = np.random.default_rng(0).normal(size=(9, 2)).astype("float32")
    z_mean, z_log_var, output = numpy_forward(model, x, noise)
    found = model.encoder(x, noise=noise)
    assert len(found) == 3
    np.testing.assert_allclose(found[0], z_mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[1], z_log_var, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found[2], z_mean + np.exp(z_log_var / 2) * noise, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(model.decoder(found[2]), output, rtol=1e-4, atol=1e-6)


def test_encoder_draws_its_own_noise_when_given_none():
    encoder, x = dense_encoder(SHAPE, 2), examples(3)
    one, two = encoder(x), encoder(x)
    np.testing.assert_array_equal(one[0], two[0])
    assert not np.allclose(one[2], two[2])
    np.testing.assert_array_equal(dense_encoder(SHAPE, 2)(x)[2], one[2])


def test_encoder_takes_any_body_and_round_trips():
    inputs = keras.Input((4, 3))
    body = keras.Model(inputs, layers.Dense(4, "tanh")(layers.Flatten()(inputs)))
    encoder = Encoder(body, 3, seed=2, name="mine")
    twin = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(encoder))
    assert (twin.name, twin.latent_dim, twin.seed) == ("mine", 3, 2)
    twin.set_weights(encoder.get_weights())
    x = examples(4)
    for one, other in zip(encoder(x), twin(x), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"input_shape": ()}, "input_shape"),
        ({"input_shape": 64}, "input_shape"),
        ({"input_shape": "8x8"}, "input_shape"),
        ({"input_shape": (8, 0)}, "input_shape"),
        ({"input_shape": (None, 8)}, "input_shape"),
        ({"latent_dim": 0}, "latent_dim"),
        ({"latent_dim": 2.0}, "latent_dim"),
        ({"hidden": ()}, "hidden"),
        ({"hidden": 64}, "hidden"),
        ({"hidden": "64"}, "hidden"),
        ({"hidden": (64, -1)}, "hidden"),
        ({"dropout": 1.0}, "dropout"),
        ({"dropout": -0.1}, "dropout"),
        ({"kernel_initializer": "Glorious"}, "kernel_initializer"),
        ({"kernel_initializer": "Zeros"}, "kernel_initializer"),
        ({"kernel_initializer": None}, "kernel_initializer"),
        ({"seed": -1}, "seed"),
    ],
)
def test_refuses(arguments, name):
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must .*Received: {name}="):
        dense_encoder(**{"input_shape": SHAPE, "latent_dim": 2, **arguments})
    name, arguments = (name.replace("input", "output"), {k.replace("input", "output"): v for k, v in arguments.items()})
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must .*Received: {name}="):
        dense_decoder(**{"output_shape": SHAPE, "latent_dim": 2, **arguments})


@pytest.mark.parametrize("body", [None, 3, keras.Sequential([layers.Dense(3)])], ids=["none", "number", "not built"])
def test_encoder_refuses_a_body(body):
    with pytest.raises(ValueError, match="^Argument `body` must be a Keras model that is built.*Received: body="):
        Encoder(body, 2)


def test_encoder_itself_refuses():
    body = dense_encoder(SHAPE, 2).body
    with pytest.raises(ValueError, match="Argument `latent_dim` must be an integer >= 1. Received: latent_dim=0"):
        Encoder(body, 0)
    with pytest.raises(ValueError, match="Argument `seed` must be an integer >= 0. Received: seed=-3"):
        Encoder(body, 2, seed=-3)


def test_dropout_acts_in_training_only():
    encoder, x = dense_encoder(SHAPE, 2, hidden=(50, 4), batch_norm=False, dropout=0.9), examples(8)
    still = [ops.convert_to_numpy(encoder(x)[0]) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    assert not np.allclose(encoder(x, training=True)[0], still[0])


@pytest.mark.parametrize("hidden", [(6,), (6, 5)])
def test_dropout_and_batch_norm_follow_the_first_layer_also_where_it_is_the_only_one(hidden):
    """A rate that was given acts; with two layers this is the document's architecture."""
    model = build_vae(SHAPE, 2, hidden=hidden, dropout=0.5, decoder_dropout=0.25)
    for network, rate, first in ((model.encoder.body, 0.5, "encoder_0"), (model.decoder, 0.25, "decoder_0")):
        names = [layer.name for layer in network.layers]
        at = names.index(first)
        assert names[at + 1 : at + 3] == [f"{first}_batch_norm", f"{first}_dropout"]
        assert [layer.rate for layer in network.layers if isinstance(layer, layers.Dropout)] == [rate]
    x = examples(40)
    one, other = (model.encoder.body(x, training=True) for _ in range(2))
    assert np.any(np.asarray(one) != np.asarray(other))


IMAGE = (8, 8, 1)
TOO_LARGE = {
    "latent units": ({"latent_dim": 10**9}, "latent_dim"),
    "local units": ({"local_dim": 10**9}, "local_dim"),
    "condition": ({"condition_dim": 10**9}, "condition_dim"),
    "hidden": ({"hidden": [10**8]}, "hidden"),
    "two hidden": ({"hidden": [10**5, 10**5]}, "hidden"),
    "example": ({"input_shape": (10**6, 10**6)}, "input_shape"),
    "linear, units": ({"architecture": "linear", "latent_dim": 10**9}, "latent_dim"),
    "linear, example": ({"architecture": "linear", "input_shape": (10**6, 10**6)}, "input_shape"),
    "filters": ({"architecture": "convolutional", "filters": (10**5, 10**5)}, "filters"),
    "image": ({"architecture": "convolutional", "input_shape": (10**6, 10**6, 1)}, "input_shape"),
    "channels": ({"architecture": "convolutional", "input_shape": (8, 8, 10**9)}, "input_shape"),
    "hidden behind convolutions": ({"architecture": "convolutional", "hidden": (10**8,)}, "hidden"),
    "latent units behind convolutions": ({"architecture": "convolutional", "latent_dim": 10**9}, "latent_dim"),
}


@pytest.mark.parametrize(("options", "name"), TOO_LARGE.values(), ids=TOO_LARGE)
def test_models_that_no_memory_holds_are_refused_before_they_are_built(options, name):
    must = f"Argument `{name}` must leave a network at most 500,000,000 weights. Received: {name}="
    with pytest.raises(ValueError, match=rf"^{must}.* It would have [0-9,]*\.$"):
        build_vae(**{"input_shape": IMAGE, "latent_dim": 2} | options)


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: dense_encoder(IMAGE, 10**9), "latent_dim"),
        (lambda: dense_decoder(IMAGE, 10**9), "latent_dim"),
        (lambda: dense_decoder((10**6, 10**6), 2), "output_shape"),
        (lambda: conv_encoder(IMAGE, 2, kernel_size=10**6), "kernel_size"),
        (lambda: conv_decoder(IMAGE, 10**9), "latent_dim"),
        (lambda: conv_decoder((8, 8, 10**9), 2), "output_shape"),
        (lambda: HierarchicalVAE(dense_encoder(IMAGE, 2), dense_decoder(IMAGE, 4), 2, hidden=[10**9]), "hidden"),
    ],
)
def test_networks_that_no_memory_holds_are_refused(build, name):
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must leave a network at most .*Received: {name}="):
        build()


@pytest.mark.parametrize(
    ("options", "received"),
    [
        ({"input_shape": (0,)}, r"input_shape=\(0,\)"),
        ({"input_shape": (8, True)}, r"input_shape=\(8, True\)"),
        ({"hidden": ["a"]}, r"hidden=\['a'\]"),
        ({"hidden": (64, 0)}, r"hidden=\(64, 0\)"),
        ({"hidden": [1] * 101}, r"hidden=\[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, \.\.\.\]"),
        ({"architecture": "convolutional", "filters": [2.5]}, r"filters=\[2\.5\]"),
    ],
)
def test_refused_sizes_are_shown_as_they_are(options, received):
    with pytest.raises(ValueError, match=rf"^Argument `.*integers >= 1.*\. Received: {received}\.$"):
        build_vae(**{"input_shape": IMAGE, "latent_dim": 2} | options)
