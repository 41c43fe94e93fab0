"""Keras layers and the network built from them."""
