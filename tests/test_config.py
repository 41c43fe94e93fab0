import pytest

from feelvos_tf.config import ModelConfig
from feelvos_tf.errors import InputError


def test_round_trips():
    config = ModelConfig(
        backbone="xception_65",
        output_stride=8,
        atrous_rates=[12, 24, 36],
        previous_mask="none",
        first_frame_matching=False,
        previous_frame_matching="none",
        normalized_distances=False,
        head_atrous_rates=[1, 2, 4, 1],
    )
    assert ModelConfig.from_dict(config.to_dict()) == config
    assert ModelConfig.from_yaml(config.to_yaml()) == config
    assert ModelConfig.from_yaml("") == ModelConfig()
    older = ModelConfig().to_dict()
    del older["normalized_distances"]
    assert ModelConfig.from_dict(older).normalized_distances


@pytest.mark.parametrize(
    "values,message",
    [
        ({"backbone": "resnet"}, "backbone is 'resnet', expected one of 'mobilenet_v2'"),
        ({"output_stride": 32}, "output_stride is 32"),
        ({"window": 0}, "window is 0"),
        ({"window": True}, "window is True"),
        (
            {"aspp_filters": 10**9},
            "aspp_filters is 1000000000, expected a whole number from 1 to 4096",
        ),
        ({"head_filters": 8.0}, "head_filters is 8.0"),
        ({"atrous_rates": None}, "atrous_rates is None, expected a list"),
        ({"atrous_rates": "612"}, "atrous_rates is '612'"),
        ({"atrous_rates": [6] * 99}, "expected a list of at most 16"),
        ({"depth_multiplier": float("inf")}, "depth_multiplier is inf"),
        ({"depth_multiplier": float("nan")}, "depth_multiplier is nan"),
        ({"backbone": ["x"] * 999}, "backbone is .{1,80}, expected one of"),
        ({"atrous_rates": [6, 0]}, "atrous_rates is 0"),
        ({"head_kernel_size": 4}, "expected an odd number"),
        ({"head_atrous_rates": [1, 2]}, "head_atrous_rates has 2 rates, expected none or one .* 4"),
        ({"head_atrous_rates": [1, 2, 0, 1]}, "head_atrous_rates is 0"),
        ({"head_atrous_rates": 3}, "head_atrous_rates is 3, expected a list"),
        ({"depth_multiplier": 0}, "depth_multiplier is 0"),
        ({"backbone": "xception_65", "depth_multiplier": 0.5}, "xception_65 has none"),
        ({"previous_mask": "soft"}, "previous_mask is 'soft'"),
        ({"first_frame_matching": "no"}, "first_frame_matching is 'no'"),
        ({"normalized_distances": 0}, "normalized_distances is 0, expected true or false"),
        (
            {"normalized_distances": False},
            "normalized_distances is false and previous_frame_matching 'local', expected 'none'",
        ),
        ({"windw": 3}, "unknown key 'windw'.*did you mean 'window'"),
    ],
)
def test_refuses_with_a_reason(values, message):
    with pytest.raises(InputError, match=message):
        ModelConfig.from_dict(values)


def test_refuses_what_is_no_mapping():
    with pytest.raises(InputError, match="is a list"):
        ModelConfig.from_yaml("[1, 2]")
    with pytest.raises(InputError, match="not valid YAML"):
        ModelConfig.from_yaml("a: [")


def test_the_same_network_at_another_stride():
    config = ModelConfig(embedding_dim=9)
    assert config.at() == config
    assert config.at(8, [12, 24, 36]) == ModelConfig(
        embedding_dim=9, output_stride=8, atrous_rates=(12, 24, 36)
    )
    assert ModelConfig(atrous_rates=()).at(8, []).output_stride == 8
    for stride, rates, message in (
        (4, None, "output_stride is 4"),
        (8, [12, 24], "atrous_rates has 2 rates, expected 3"),
        (8, [], "atrous_rates has 0 rates, expected 3"),
        (8, [12, 24, -1], "atrous_rates is -1"),
    ):
        with pytest.raises(InputError, match=message):
            config.at(stride, rates)


@pytest.mark.parametrize(
    "changes,channels",
    [
        ({}, 3),
        ({"first_frame_matching": False}, 2),
        ({"previous_mask": "none"}, 2),
        ({"previous_frame_matching": "global"}, 3),
        ({"previous_frame_matching": "none", "previous_mask": "none"}, 1),
    ],
)
def test_object_channels(changes, channels):
    assert ModelConfig(**changes).num_object_channels == channels
