"""Command lines: each module holds flags and calls one function.

This file is imported before any of them, and so before TensorFlow, whose start-up messages
would bury a command's own lines. TF_CPP_MIN_LOG_LEVEL in the environment brings them back.
"""

import logging
import os
import warnings

import feelvos_tf

if "TF_CPP_MIN_LOG_LEVEL" in feelvos_tf._DEFAULTED:
    # Its errors too: all that stop a command are exceptions besides, and a machine without a GPU
    # would have one in each run.
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
logging.getLogger("tensorflow").setLevel(logging.ERROR)
# Both warn at import of their own end of life, about which a user of a command can do nothing.
warnings.filterwarnings("ignore", module=r"google\.api_core|tensorflow_addons")
