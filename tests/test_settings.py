import os
import time

import pytest

from feelvos_tf import settings
from feelvos_tf.errors import InputError


def test_plain_values_and_aliases():
    text = "base: &base {a: 1, b: [x, null, 2.5]}\nother: {<<: *base, a: true}\nempty:\n"
    assert settings.parse(text, "x.yaml") == {
        "base": {"a": 1, "b": ["x", None, 2.5]},
        "other": {"a": True, "b": ["x", None, 2.5]},
        "empty": None,
    }
    assert settings.parse("", "x.yaml") is None


def bomb(levels):
    """Each line stands for ten of the one before."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    for i in range(1, levels):
        lines.append(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    "text,message",
    [
        ("[" * 5000, "nested more than 20 deep"),
        ("{a: " * 5000, "nested more than 20 deep"),
        ("\n".join(" " * i + "a:" for i in range(300)), "nested more than 20 deep"),
        (bomb(9), "more than 20000 values, aliases written out"),
        ("a: &a [*a]", "the alias 'a' refers to itself"),
        ("a: *b", "not valid YAML.*undefined alias"),
        ('a: "\\U99999999"', "not valid YAML"),
        ('a: "\\U00999999"', "not valid YAML"),
        ("a: " + "x" * 4000, "one value has 4000 characters"),
        ("a: [" + "1," * 60000 + "]", "larger than 100000 bytes"),
        (
            "a: !!python/object/apply:os.system [ls]",
            "uses the tag 'tag:yaml.org,2002:python/object/a",
        ),
        ("a: !!int ''", "uses the tag"),
        ("a: 2020-99-99", "not valid YAML: month must be"),
        ("a: 0b_", "not valid YAML"),
        ("a: [", "not valid YAML"),
        ("? [a]\n: b", "not valid YAML"),
        ("a: \x00", "not valid YAML"),
        ("--- a\n--- b", "not valid YAML"),
    ],
)
def test_what_is_refused_is_refused_soon(text, message):
    start = time.process_time()
    with pytest.raises(InputError, match=f"^x.yaml: .*{message}") as error:
        settings.parse(text, "x.yaml")
    assert "\n" not in str(error.value)
    assert time.process_time() - start < 5


def test_files(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("a: größe", encoding="utf-8")
    assert settings.read(path) == {"a": "größe"}
    for content, message in (
        (b"\xff", "is not a text file"),
        ("é".encode() * 99_999, "larger than"),
    ):
        path.write_bytes(content)
        with pytest.raises(InputError, match=f"a.yaml: {message}"):
            settings.read(path)
    with pytest.raises(InputError, match="b.yaml: No such file"):
        settings.read(tmp_path / "b.yaml")
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "."):
        with pytest.raises(InputError, match="no file, expected one with YAML"):
            settings.read(tmp_path / name)
