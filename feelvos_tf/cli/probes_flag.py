"""The flag for the near-exact search, with one meaning in every command."""

from __future__ import annotations

from absl import flags

PROBES = flags.DEFINE_integer(
    "probes",
    None,
    "Faster: compare each pixel with the likeliest clusters (of 32 pixels) of every object, so many "
    "of them, instead of with all. 8 is nearly exact, 2 is the fastest; more is slower and nearer.",
    lower_bound=1,
)
