"""Encoders and decoders: dense and convolutional."""

from vaelib.networks.convolutional import conv_decoder, conv_encoder
from vaelib.networks.dense import dense_decoder, dense_encoder
from vaelib.networks.encoder import Encoder, require_network

__all__ = ["Encoder", "conv_decoder", "conv_encoder", "dense_decoder", "dense_encoder", "require_network"]
