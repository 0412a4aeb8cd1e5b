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

_LOOPS = {"Case", "If", "StatelessCase", "StatelessIf", "StatelessWhile", "While"}
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
    """Raises if members would share what a layer does: a state or a chance that Keras does not know of, for example.

    Refused too are loops and branches, which are not mapped, and layers that set their trained weights themselves.

    Args:
        name: of the caller's argument that the model came from.
        model: is traced once.
    """
    x = keras.tree.map_structure(lambda spec: tf.zeros((2, *spec.shape[1:]), spec.dtype), model.inputs.spec)
    weights = [*model.trainable_variables, *model.non_trainable_variables]
    layers = {layer.name for layer in model._flatten_layers()}
    changed: list[str] = []

    def terms() -> Any:
        mapping = [(weight, tf.convert_to_tensor(weight.value)) for weight in weights]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            before = [scope.get_current_value(weight) for weight in model.trainable_variables]
            distortion = model.terms(x, tf.zeros((2, model.latent_dim)), training=True).distortion
            pairs = zip(model.trainable_variables, before, strict=True)
            changed.extend(weight.path for weight, value in pairs if scope.get_current_value(weight) is not value)
        return distortion

    def refusal(received: str, remedy: str) -> ValueError:
        must = "build a model of layers that can be stacked"
        return argument_error(name, must, Described(received), f"{remedy}; or use train_vae.")

    def layer_of(operation: str) -> str:
        scopes = [re.sub(r"_\d+$", "", scope) if scope not in layers else scope for scope in operation.split("/")]
        return repr(next((scope for scope in reversed(scopes) if scope in layers), operation))

    graph = tf.function(terms, autograph=False).get_concrete_function().graph
    if changed:
        raise refusal(f"the trained weight {changed[0]!r}, which its layer sets by itself", "Use a constraint")
    for operation in graph.get_operations():
        if operation.type in _LOOPS:
            received = f"the layer {layer_of(operation.name)}, which loops or branches by {operation.type}"
            raise refusal(received, "Unroll it")
        if operation.op_def.is_stateful and operation.type not in _READS:
            remedy = "Draw through a keras.random.SeedGenerator and keep numbers in Keras variables"
            raise refusal(f"the layer {layer_of(operation.name)}, which uses {operation.type}", remedy)
