"""The error that users' input causes."""

import pickle

from feelvos_tf.errors import InputError


def test_a_message_is_one_line_whatever_it_quotes():
    error = InputError("a\nb.png: found\r\n3,\u2028expected  4")
    assert str(error) == "a b.png: found 3, expected  4"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # it comes out of processes
