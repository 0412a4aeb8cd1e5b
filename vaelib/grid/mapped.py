"""One computation for all members side by side, and which models can be computed so."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from vaelib._checks import Described, argument_error
from vaelib._quiet import LOOPED, quiet
from vaelib.models.vae import VAE

_READS = {"ReadVariableOp", "Placeholder", "ResourceGather", "VarHandleOp"}  # have a state, and do not change it


def map_members(function: Callable[[Any, Any], Any], of_seeds: Any, of_members: Any, side_by_side: bool = True) -> Any:
    """Applies `function(of_seed, of_member)` to every member of seeds × schedules; results are stacked likewise.

    Args:
        function: of one member's tensors, to a nest of tensors.
        of_seeds: nest of tensors (R, …), the same for all schedules.
        of_members: nest of tensors (R, S, …).
        side_by_side: False, with R = S = 1, computes the one member as it is.
    """
    if not side_by_side:
        one = function(*tf.nest.map_structure(lambda value: value[0], (of_seeds, _first(of_members))))
        return tf.nest.map_structure(lambda value: value[tf.newaxis, tf.newaxis], one)

    def schedules_of_a_seed(args: Any) -> Any:
        of_seed, of_its_members = args
        return tf.vectorized_map(lambda of_member: function(of_seed, of_member), of_its_members)

    with quiet(LOOPED):
        return tf.vectorized_map(schedules_of_a_seed, (of_seeds, of_members))


def _first(values: Any) -> Any:
    return tf.nest.map_structure(lambda value: value[:, 0], values)


def convolutions(model: VAE) -> list[str]:
    """Returns the names of layers that are slower side by side than one after another."""
    return [layer.name for layer in model._flatten_layers() if "Conv" in type(layer).__name__]


def layer_outputs(model: VAE) -> int:
    """Returns how many numbers the layers give out for one example, about."""
    return model.n_pixels + sum(weight.shape[-1] for weight in model.trainable_variables if len(weight.shape) > 1)


def require_stackable(name: str, model: VAE) -> None:
    """Raises if a layer keeps a state, or draws chance, that Keras does not know of: members would share it.

    Args:
        name: of the caller's argument that the model came from.
        model: is traced once.
    """
    x = keras.tree.map_structure(lambda spec: tf.zeros((2, *spec.shape[1:]), spec.dtype), model.inputs.spec)
    weights = [*model.trainable_variables, *model.non_trainable_variables]

    def terms() -> Any:
        mapping = [(weight, tf.convert_to_tensor(weight.value)) for weight in weights]
        with keras.StatelessScope(state_mapping=mapping):
            return model.terms(x, tf.zeros((2, model.latent_dim)), training=True).distortion

    graph = tf.function(terms, autograph=False).get_concrete_function().graph
    layers = {layer.name for layer in model._flatten_layers()}
    for operation in graph.get_operations():
        if operation.op_def.is_stateful and operation.type not in _READS:
            scopes = [
                re.sub(r"_\d+$", "", scope) if scope not in layers else scope for scope in operation.name.split("/")
            ]
            inside = [scope for scope in scopes if scope in layers]
            received = Described(f"the layer {inside[-1] if inside else operation.name!r}, which uses {operation.type}")
            remedy = "Draw through a keras.random.SeedGenerator and keep numbers in Keras variables; or use train_vae."
            raise argument_error(name, "build a model of layers that can be stacked", received, remedy)
