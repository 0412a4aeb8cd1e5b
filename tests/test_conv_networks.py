"""Convolutional encoders and decoders: structure, sizes, initial weights, a NumPy forward pass, seeds, precisions."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from small_models import compiled

from vaelib import BetaVAE, Dataset, Objective, build_vae, conv_decoder, conv_encoder, encode, load_vae, train_vae


def images(n, shape, seed=0):
    return np.random.default_rng(seed).random((n, *shape)).astype("float32")


def names(network):
    return [layer.name for layer in network.layers if not isinstance(layer, layers.InputLayer)]


# --- structure ---


def test_encoder_layers():
    encoder = conv_encoder((28, 28, 1), latent_dim=10)
    assert [type(layer).__name__ for layer in encoder.body.layers] == [
        "InputLayer",
        *["Conv2D", "BatchNormalization", "ReLU"] * 2,
        "Flatten",
        "Dropout",
        "Dense",
    ]
    convolutions = [layer for layer in encoder.body.layers if isinstance(layer, layers.Conv2D)]
    assert [(c.filters, c.kernel_size, c.strides, c.padding) for c in convolutions] == [
        (16, (3, 3), (2, 2), "same"),
        (32, (3, 3), (2, 2), "same"),
    ]
    assert [layer.activation.__name__ for layer in convolutions] == ["linear"] * 2  # ReLU comes after the norm
    assert encoder.body.get_layer("encoder_0").kernel.shape == (7 * 7 * 32, 64)
    assert encoder.z_mean.kernel.shape == (64, 10)
    assert {layer.momentum for layer in encoder.body.layers if isinstance(layer, layers.BatchNormalization)} == {0.9}


def test_decoder_mirrors_it():
    decoder = conv_decoder((28, 28, 1), latent_dim=10)
    assert [type(layer).__name__ for layer in decoder.layers] == [
        "InputLayer",
        "Dense",
        "Dropout",
        "Dense",
        "Reshape",
        "Conv2DTranspose",
        "BatchNormalization",
        "ReLU",
        "Conv2DTranspose",
    ]
    assert [layer.filters for layer in decoder.layers if isinstance(layer, layers.Conv2DTranspose)] == [16, 1]
    dense = [layer for layer in decoder.layers if isinstance(layer, layers.Dense)]
    assert [(layer.units, layer.activation.__name__) for layer in dense] == [(64, "relu"), (7 * 7 * 32, "relu")]
    assert decoder.layers[-1].activation.__name__ == "linear"
    assert decoder.get_layer("decoder_output") is decoder.layers[-1]


def test_every_convolution_but_the_output_is_normalised():
    model = build_vae((16, 16, 3), 2, "convolutional", filters=(4, 5, 6, 7), hidden=(9, 8))
    assert [name for name in names(model.encoder.body) if "conv" in name] == [
        f"encoder_conv_{i}{part}" for i in range(4) for part in ("", "_batch_norm", "_relu")
    ]
    assert [name for name in names(model.decoder) if "conv" in name] == [
        f"decoder_conv_{i}{part}" for i in range(3) for part in ("", "_batch_norm", "_relu")
    ]
    filters = [model.encoder.body.get_layer(f"encoder_conv_{i}").filters for i in range(4)]
    assert filters == [4, 5, 6, 7]
    assert [model.decoder.get_layer(f"decoder_conv_{i}").filters for i in range(3)] == [6, 5, 4]
    assert model.decoder.get_layer("decoder_output").filters == 3
    # 16 → 1 pixel after four halvings, 7 filters each; the widths come back in reverse
    widths = [model.decoder.get_layer(f"decoder_{i}").units for i in range(3)]
    assert widths == [8, 9, 7]


def test_dropout_stands_before_the_dense_layers_behind_convolutions():
    model = build_vae((8, 8, 1), 2, "convolutional", hidden=(9, 8), dropout=0.3, decoder_dropout=0.2)
    encoder, decoder = names(model.encoder.body), names(model.decoder)
    assert encoder[-4:] == ["encoder_0_dropout", "encoder_0", "encoder_1_dropout", "encoder_1"]
    assert decoder[:5] == ["decoder_0", "decoder_1_dropout", "decoder_1", "decoder_2_dropout", "decoder_2"]
    assert [layer.rate for layer in model.encoder.body.layers if isinstance(layer, layers.Dropout)] == [0.3, 0.3]
    assert [layer.rate for layer in model.decoder.layers if isinstance(layer, layers.Dropout)] == [0.2, 0.2]
    bare = build_vae((8, 8, 1), 2, "convolutional", dropout=0, batch_norm=False)
    kinds = {type(layer) for layer in (*bare.encoder.body.layers, *bare.decoder.layers)}
    assert not kinds & {layers.Dropout, layers.BatchNormalization}


# --- sizes ---


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("size", [(28, 28), (8, 8), (9, 13), (1, 1), (64, 64)])
def test_any_size_comes_back(size, channels):
    shape = (*size, channels)
    encoder, decoder = conv_encoder(shape, 2, filters=(2, 3, 4)), conv_decoder(shape, 2, filters=(4, 3, 2))
    smallest = tuple(math.ceil(side / 8) for side in size)
    assert encoder.body.get_layer("encoder_conv_2").output.shape == (None, *smallest, 4)
    assert decoder.get_layer("decoder_0").units == 64
    assert decoder.get_layer("decoder_1").units == math.prod(smallest) * 4
    x = images(3, shape)
    _, _, z = encoder(x)
    assert decoder(z).shape == (3, *shape)
    for layer in decoder.layers:
        if isinstance(layer, layers.Cropping2D):
            assert all(before == 0 and after in (0, 1) for before, after in layer.cropping)
    cut = sum(isinstance(layer, layers.Cropping2D) for layer in decoder.layers)
    assert cut == {28: 1, 8: 0, 9: 3, 1: 3, 64: 0}[size[0]]  # 28, 14, 7, 4; 9, 5, 3, 2; 1, 1, 1, 1


@pytest.mark.parametrize("kernel_size", [2, 3, 4, 5])
def test_every_pixel_is_read_and_written(kernel_size):
    """The codes depend on each pixel, and each pixel on the codes, also at the edges that are cut."""
    options = {"filters": (16, 16), "kernel_size": kernel_size, "dropout": 0, "batch_norm": False}
    encoder = conv_encoder((9, 6, 2), 4, **options)
    decoder = conv_decoder((9, 6, 2), 4, **options)
    x = tf.Variable(images(4, (9, 6, 2)))
    with tf.GradientTape() as tape:
        code = tf.reduce_sum(encoder(x.value())[0] ** 2)
    assert (np.abs(tape.gradient(code, x)).max(axis=0) > 0).all()
    z = np.random.default_rng(0).normal(size=(50, 4)).astype("float32")
    assert (np.std(decoder(z), axis=0) > 0).all()


# --- values ---


def numpy_convolution(x, kernel, bias):
    """TensorFlow's "same" convolution of stride 2, by its definition: zeros on both sides, the odd one after."""
    n, height, width, _ = x.shape
    size, out = kernel.shape[0], (-(-height // 2), -(-width // 2))
    padding = [max((o - 1) * 2 + size - side, 0) for o, side in zip(out, (height, width), strict=True)]
    x = np.pad(x, [(0, 0), *((p // 2, p - p // 2) for p in padding), (0, 0)])
    y = np.empty((n, *out, kernel.shape[3]))
    for i in range(out[0]):
        for j in range(out[1]):
            y[:, i, j] = np.tensordot(x[:, 2 * i : 2 * i + size, 2 * j : 2 * j + size], kernel, 3)
    return y + bias


def numpy_transposed(x, kernel, bias):
    """Its transpose, from (h, w) to (2h, 2w): each input pixel adds a kernel to the output."""
    n, height, width, _ = x.shape
    size = kernel.shape[0]
    y = np.zeros((n, 2 * height + size, 2 * width + size, kernel.shape[2]))
    for i in range(height):
        for j in range(width):
            y[:, 2 * i : 2 * i + size, 2 * j : 2 * j + size] += np.tensordot(x[:, i, j], kernel, ([1], [3]))
    before = max(size - 2, 0) // 2
    return y[:, before : before + 2 * height, before : before + 2 * width] + bias


def run(network, h, training):
    """A network of this module's layers without dropout, in NumPy."""
    for layer in network.layers:
        values = [weight.numpy().astype("float64") for weight in layer.weights]
        if isinstance(layer, layers.Conv2DTranspose):  # before its base class
            h = numpy_transposed(h, *values)
        elif isinstance(layer, layers.Conv2D):
            h = numpy_convolution(h, *values)
        elif isinstance(layer, layers.BatchNormalization):
            gamma, beta, mean, variance = values
            if training:
                mean, variance = h.mean((0, 1, 2)), h.var((0, 1, 2))
            h = gamma * (h - mean) / np.sqrt(variance + 1e-3) + beta
        elif isinstance(layer, layers.ReLU):
            h = np.maximum(h, 0)
        elif isinstance(layer, layers.Cropping2D):
            (_, bottom), (_, right) = layer.cropping
            h = h[:, : h.shape[1] - bottom, : h.shape[2] - right]
        elif isinstance(layer, layers.Dense):
            h = np.maximum(h @ values[0] + values[1], 0)
        elif isinstance(layer, layers.Flatten):
            h = h.reshape(len(h), -1)
        elif isinstance(layer, layers.Reshape):
            h = h.reshape(len(h), *layer.target_shape)
        else:
            assert isinstance(layer, layers.InputLayer)
    return h


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("shape", "kernel_size"), [((9, 6, 2), 3), ((8, 5, 1), 4)])
def test_forward_pass_is_the_formula(shape, kernel_size, training):
    options = {"filters": (3, 4), "kernel_size": kernel_size, "hidden": (6,), "dropout": 0}
    encoder, decoder = conv_encoder(shape, 2, **options), conv_decoder(shape, 2, **options | {"filters": (4, 3)})
    for layer in (*encoder.body.layers, *decoder.layers):  # statistics and weights that are no zeros and ones
        if isinstance(layer, layers.BatchNormalization):
            layer.set_weights([np.linspace(0.5, 1.5, len(w)) for w in layer.get_weights()])
    x = images(5, shape)
    h = run(encoder.body, x.astype("float64"), training)
    z_mean = h @ encoder.z_mean.kernel.numpy() + encoder.z_mean.bias.numpy()
    found = encoder(x, noise=np.zeros((5, 2), "float32"), training=training)
    np.testing.assert_allclose(found[0], z_mean, rtol=2e-4, atol=2e-5)
    z = np.random.default_rng(1).normal(size=(5, 2)).astype("float32")
    expected = run(decoder, z.astype("float64"), training)
    assert expected.std() > 0.05
    np.testing.assert_allclose(decoder(z, training=training), expected, rtol=2e-4, atol=2e-5)


# --- initial weights ---


def test_he_for_relu_and_glorot_for_heads_and_output():
    model = build_vae((32, 32, 8), 200, "convolutional", filters=(64, 128), hidden=(300,))
    body, decoder = model.encoder.body, model.decoder
    he = {
        body.get_layer("encoder_conv_0"): 9 * 8,
        body.get_layer("encoder_conv_1"): 9 * 64,
        body.get_layer("encoder_0"): 8 * 8 * 128,
        decoder.get_layer("decoder_0"): 200,
        decoder.get_layer("decoder_1"): 300,
    }
    for layer, fan_in in he.items():
        assert layer.kernel.numpy().std() == pytest.approx(math.sqrt(2 / fan_in), rel=0.03), layer.name
        assert (layer.bias.numpy() == 0).all()
    for head in (model.encoder.z_mean, model.encoder.z_log_var):
        assert head.kernel.numpy().std() == pytest.approx(math.sqrt(2 / 500), rel=0.03)
        assert np.abs(head.kernel.numpy()).max() == pytest.approx(math.sqrt(6 / 500), rel=1e-3)  # uniform
    output = decoder.get_layer("decoder_output").kernel.numpy()
    assert output.shape == (3, 3, 8, 64)
    assert np.abs(output).max() == pytest.approx(math.sqrt(6 / (9 * (8 + 64))), rel=0.01)
    # Keras counts the inputs of a transposed kernel by its last but one axis, here the filters that it gives
    transposed = decoder.get_layer("decoder_conv_0").kernel.numpy()
    assert transposed.shape == (3, 3, 64, 128)
    assert transposed.std() == pytest.approx(math.sqrt(2 / (9 * 64)), rel=0.03)


def test_initialisers_are_options():
    glorot = build_vae((16, 16, 1), 3, "convolutional", kernel_initializer="GlorotUniform", head_initializer="HeNormal")
    kernel = glorot.encoder.body.get_layer("encoder_conv_1").kernel.numpy()
    assert np.abs(kernel).max() == pytest.approx(math.sqrt(6 / (9 * (16 + 32))), rel=0.01)
    assert glorot.encoder.z_mean.kernel.numpy().std() == pytest.approx(math.sqrt(2 / 64), rel=0.15)


def test_initial_weights_are_a_function_of_the_seed_and_differ_between_layers():
    def kernels(seed):
        model = build_vae((8, 8, 1), 2, "convolutional", filters=(4, 4, 4), seed=seed)
        return {w.path: w.numpy() for w in model.weights if w.name == "kernel"}

    one, again, other = kernels(3), kernels(3), kernels(4)
    for (path, kernel), same in zip(one.items(), again.values(), strict=True):
        np.testing.assert_array_equal(kernel, same, err_msg=path)
    for kernel, different in zip(one.values(), other.values(), strict=True):
        assert not np.isclose(kernel, different).all()
    inner = [kernel for path, kernel in one.items() if "encoder_conv_1" in path or "encoder_conv_2" in path]
    assert len(inner) == 2
    assert not np.allclose(*inner)


# --- training ---


@pytest.fixture(scope="module")
def squares():
    """Images of a bright square at one of nine places, with a little noise."""
    rng = np.random.default_rng(0)
    x = rng.normal(0, 0.02, (240, 9, 9, 1))
    for i, (row, column) in enumerate(rng.integers(0, 3, (240, 2)) * 3):
        x[i, row : row + 3, column : column + 3] += 1
    x = x.astype("float32")
    return Dataset("squares", x[:160], x[160:200], x[200:])


def test_it_trains_and_comes_back_from_its_file(squares, tmp_path):
    model = build_vae((9, 9, 1), 2, "convolutional", Objective(sigma2=0.02), filters=(6, 8), hidden=(16,), dropout=0.05)
    arguments = {"epochs": 60, "batch_size": 40, "learning_rate": 0.01, "output": tmp_path / "out"}
    result = train_vae(model, squares, **arguments)
    error = result.history.val_reconstruction_loss
    # of 81 pixels 9 are bright: variance 0.1 a pixel around the mean image, so 0.5 · 81 · 0.1 / 0.02 nats to gain
    assert error.iloc[0] - error.iloc[-1] > 80
    twin = load_vae(result.files["vae.keras"])
    assert type(twin) is BetaVAE
    for one, other in zip(encode(model, squares.x_test), encode(twin, squares.x_test), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(model(squares.x_test), twin(squares.x_test))


def test_dropout_of_a_step_is_a_function_of_seed_and_step(squares):
    """With a variance of nothing, so that the sample's noise plays no part: dropout is all that differs."""

    def weights_after(seed, start=0, dropout=0.5):
        model = build_vae((9, 9, 1), 2, "convolutional", filters=(2,), hidden=(30,), dropout=dropout, seed=seed)
        model.set_weights(build_vae((9, 9, 1), 2, "convolutional", filters=(2,), hidden=(30,), seed=0).get_weights())
        model.encoder.z_log_var.bias.assign([-60.0, -60.0])
        compiled(model, keras.optimizers.SGD(1e-3), run_eagerly=True)
        model.optimizer.iterations.assign(start)
        model.train_step(squares.x_train[:20])
        return np.concatenate([w.numpy().ravel() for w in model.trainable_weights])

    first = weights_after(0)
    np.testing.assert_array_equal(weights_after(0), first)
    for other in ({"seed": 1}, {"seed": 0, "start": 1}):
        assert np.abs(weights_after(**other) - first).max() > 1e-3
        still = weights_after(**other, dropout=0) - weights_after(0, dropout=0)
        assert np.abs(still).max() < 1e-6


@pytest.mark.parametrize("policy", ["float64", "mixed_bfloat16", "mixed_float16"])
def test_losses_are_float32_at_least_under_any_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        model = build_vae((9, 6, 1), 2, "convolutional", Objective(), filters=(3, 4), bn_gamma=0.5)
    finally:
        keras.config.set_dtype_policy("float32")
    x, noise = images(8, (9, 6, 1)), np.ones((8, 2), "float32")
    losses = model.objective.losses(model.terms(x, noise), model.beta)
    assert {loss.dtype for loss in losses[:3]} == {tf.float64 if policy == "float64" else tf.float32}
    if policy != "float64":  # whose initial weights are others
        exact = build_vae((9, 6, 1), 2, "convolutional", Objective(), filters=(3, 4), bn_gamma=0.5)
        np.testing.assert_allclose(losses[:3], exact.objective.losses(exact.terms(x, noise), 1.0)[:3], rtol=0.05)
    before = model.get_weights()
    compiled(model, run_eagerly=True, auto_scale_loss=False).train_step(x)
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert not all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


# --- refusals ---


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"input_shape": (8, 8)}, "input_shape"),
        ({"input_shape": (8, 8, 1, 1)}, "input_shape"),
        ({"input_shape": (8, 0, 1)}, "input_shape"),
        ({"input_shape": "881"}, "input_shape"),
        ({"input_shape": 64}, "input_shape"),
        ({"latent_dim": 0}, "latent_dim"),
        ({"latent_dim": True}, "latent_dim"),
        ({"filters": ()}, "filters"),
        ({"filters": 16}, "filters"),
        ({"filters": (16, 0)}, "filters"),
        ({"filters": (16, 2.5)}, "filters"),
        ({"hidden": ()}, "hidden"),
        ({"hidden": (math.nan,)}, "hidden"),
        ({"kernel_size": 1}, "kernel_size"),  # with stride 2 it would pass over three pixels of four
        ({"kernel_size": 3.0}, "kernel_size"),
        ({"batch_norm": "yes"}, "batch_norm"),
        ({"batch_norm": None}, "batch_norm"),
        ({"dropout": 1}, "dropout"),
        ({"dropout": math.nan}, "dropout"),
        ({"dropout": True}, "dropout"),
        ({"kernel_initializer": "Ones"}, "kernel_initializer"),
        ({"kernel_initializer": None}, "kernel_initializer"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
    ],
)
def test_refuses(arguments, name):
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must [^\n]*Received: {name}="):
        conv_encoder(**{"input_shape": (8, 8, 1), "latent_dim": 2, **arguments})
    shown, given = name.replace("input_", "output_"), {k.replace("input_", "output_"): v for k, v in arguments.items()}
    with pytest.raises(ValueError, match=rf"^Argument `{shown}` must [^\n]*Received: {shown}="):
        conv_decoder(**{"output_shape": (8, 8, 1), "latent_dim": 2, **given})


@pytest.mark.parametrize("condition_dim", [-1, 1.5, "3", True])
def test_refuses_a_condition(condition_dim):
    with pytest.raises(
        ValueError, match=r"^Argument `condition_dim` must be an integer >= 0. Received: condition_dim="
    ):
        conv_encoder((8, 8, 1), 2, condition_dim=condition_dim)


@pytest.mark.parametrize("architecture", ["dense", "convolutional", "linear"])
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"hidden": ()}, "hidden"),
        ({"hidden": 0}, "hidden"),
        ({"filters": ()}, "filters"),
        ({"filters": 0}, "filters"),
        ({"kernel_initializer": ""}, "kernel_initializer"),
        ({"decoder_dropout": -0.1}, "decoder_dropout"),
        ({"decoder_dropout": "0"}, "decoder_dropout"),
    ],
)
def test_build_vae_refuses_what_is_given_and_takes_no_default_for_it(architecture, arguments, name):
    with pytest.raises(ValueError, match=rf"^Argument `{name}` must [^\n]*Received: {name}="):
        build_vae((8, 8, 1), 2, architecture, **arguments)


def test_build_vae_refuses_an_architecture():
    for value in ("conv", None, 3):
        with pytest.raises(ValueError, match=r"^Argument `architecture` must be one of 'dense', 'convolutional', 'lin"):
            build_vae((8, 8, 1), 2, value)
