"""The flag for the near-exact search, with one meaning in every command."""

from __future__ import annotations

from absl import flags

PROBES = flags.DEFINE_integer(
    "probes",
    None,
    "Faster: compare each pixel with so many clusters (of 32 pixels) of every object, the "
    "likeliest ones, instead of with all. 8 is nearly exact; fewer are faster, more come nearer.",
    lower_bound=1,
)
