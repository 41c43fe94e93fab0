"""The clients of experiments/serving against a model of a few lines and stand-ins for servers.

The stand-ins follow TensorFlow Serving's documented interfaces: a POST of
{signature_name, inputs} that answers {outputs} or {error}, and the Predict method of gRPC.
"""

from __future__ import annotations

import concurrent.futures
import http.server
import json
import pathlib
import sys
import threading

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from feelvos_tf.video import DAVIS_PALETTE, write_mask

SERVING = pathlib.Path(__file__).resolve().parents[2] / "experiments" / "serving"
sys.path.insert(0, str(SERVING))
import clients  # noqa: E402
import segment_video  # noqa: E402
import stress  # noqa: E402

IMAGE = tf.TensorSpec([None, None, 3], tf.uint8, "image")
MASK = tf.TensorSpec([None, None], tf.uint8, "mask")
LABELS = tf.TensorSpec([None, None], tf.uint8, "labels")
IDS = tf.TensorSpec([None], tf.int32, "object_ids")
SEEN = tf.TensorSpec([None], tf.float32, "reference_keys")


class Sliding(tf.Module):
    """Labels slide to the right by a pixel a frame; `reference_keys` sums what frames were seen."""

    @tf.function(input_signature=[IMAGE, MASK])
    def initialize(self, image, mask):
        ids = tf.sort(tf.unique(tf.reshape(tf.cast(mask, tf.int32), [-1]))[0])
        tf.debugging.assert_greater(tf.size(ids), 1, message="no [object] here")
        return {"labels": mask, "object_ids": ids, "reference_keys": self._sum(image)}

    @tf.function(input_signature=[IMAGE, IDS, LABELS, SEEN])
    def step(self, image, object_ids, labels, reference_keys):
        return {
            "labels": tf.roll(labels, 1, 1),
            "object_ids": object_ids,
            "reference_keys": reference_keys + self._sum(image) / 3.0,
            "confidences": tf.fill(tf.shape(labels), tf.constant(200, tf.uint8)),
        }

    @tf.function(input_signature=[IMAGE, MASK, IDS, LABELS, SEEN])
    def add_objects(self, image, mask, object_ids, labels, reference_keys):
        new = tf.reduce_max(tf.cast(mask, tf.int32))
        return {
            "labels": tf.where(mask > 0, mask, labels),
            "object_ids": tf.concat([object_ids, [new]], 0),
            "reference_keys": reference_keys,
        }

    @tf.function(input_signature=[IMAGE])
    def embed(self, image):
        return {"embeddings": tf.cast(image, tf.float32) / 7.0}

    def _sum(self, image):
        return tf.reduce_sum(tf.cast(image, tf.float32), axis=[0, 1])


@pytest.fixture(scope="module")
def saved_model(tmp_path_factory):
    module = Sliding()
    folder = str(tmp_path_factory.mktemp("model") / "1")
    tf.saved_model.save(
        module,
        folder,
        signatures={
            name: getattr(module, name) for name in ("initialize", "step", "add_objects", "embed")
        },
    )
    return folder


@pytest.fixture(scope="module")
def rest(saved_model):
    loaded = tf.saved_model.load(saved_model)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            code, answer = 404, {"error": f"no model at {self.path}"}
            if self.path == "/v1/models/feelvos:predict":
                function = loaded.signatures[body["signature_name"]]
                specs = function.structured_input_signature[1]
                try:
                    outputs = function(
                        **{
                            name: tf.constant(value, specs[name].dtype)
                            for name, value in body["inputs"].items()
                        }
                    )
                    values = {name: value.numpy().tolist() for name, value in outputs.items()}
                    code = 200
                    answer = {"outputs": values if len(values) > 1 else [*values.values()][0]}
                except tf.errors.InvalidArgumentError as error:
                    code, answer = 400, {"error": error.message}
            self.send_response(code)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/models/feelvos"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def grpc_address(saved_model):
    grpc = pytest.importorskip("grpc")
    loaded = tf.saved_model.load(saved_model)
    request_type, response_type = clients.predict_messages()

    def predict(request, context):
        assert request.model_spec.name == "feelvos"
        function = loaded.signatures[request.model_spec.signature_name]
        try:
            outputs = function(
                **{
                    name: tf.constant(tf.make_ndarray(value))
                    for name, value in request.inputs.items()
                }
            )
        except tf.errors.InvalidArgumentError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.message)
        response = response_type()
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
        return response

    server = grpc.server(concurrent.futures.ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(
        [
            grpc.method_handlers_generic_handler(
                "tensorflow.serving.PredictionService",
                {
                    "Predict": grpc.unary_unary_rpc_method_handler(
                        predict,
                        request_deserializer=request_type.FromString,
                        response_serializer=lambda message: message.SerializeToString(),
                    )
                },
            )
        ]
    )
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


@pytest.fixture(params=["saved_model", "rest", "grpc"])
def client(request):
    if request.param == "saved_model":
        return clients.SavedModelClient(request.getfixturevalue("saved_model"))
    if request.param == "rest":
        return clients.RestClient(request.getfixturevalue("rest"))
    return clients.GrpcClient(request.getfixturevalue("grpc_address"))


def frames_and_mask():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (4, 6, 9, 3)).astype(np.uint8)
    mask = np.zeros((6, 9), np.uint8)
    mask[2:4, 1:3] = 40
    return frames, mask


def test_state_goes_round(client):
    frames, mask = frames_and_mask()
    video = clients.Video(client)
    np.testing.assert_array_equal(video.begin(frames[0], mask), mask)
    np.testing.assert_array_equal(video.step(frames[1]), np.roll(mask, 1, 1))
    assert video.confidences.dtype == np.uint8
    assert (video.confidences == 200).all()
    labels = video.add_objects(frames[1], np.where(mask == 0, 0, 90).astype(np.uint8))
    np.testing.assert_array_equal(labels, np.where(mask > 0, 90, np.roll(mask, 1, 1)))
    assert video.object_ids.tolist() == [0, 40, 90]
    np.testing.assert_array_equal(video.step(frames[2]), np.roll(labels, 1, 1))
    sums = frames.astype(np.float64).sum(axis=(1, 2))
    np.testing.assert_allclose(
        video._state["reference_keys"], sums[0] + (sums[1] + sums[2]) / 3, rtol=1e-6
    )
    embedded = client.call("embed", image=frames[0])["embeddings"]
    np.testing.assert_allclose(embedded, frames[0] / np.float32(7), rtol=1e-6)


def test_refusal_is_one_line(client):
    frames, mask = frames_and_mask()
    with pytest.raises(clients.ServingError, match=r"^.*no \[object\] here.*$"):
        clients.Video(client).begin(frames[0], 0 * mask)


def test_server_that_is_not_there():
    with pytest.raises(clients.ServingError, match="127.0.0.1:1"):
        clients.RestClient("http://127.0.0.1:1/v1/models/feelvos").call("embed", image=[[[0]]])
    pytest.importorskip("grpc")
    with pytest.raises(clients.ServingError, match="onnect"):
        clients.GrpcClient("127.0.0.1:1").call("embed", image=np.zeros((1, 1, 3), np.uint8))


def test_folder_of_frames(saved_model, tmp_path, monkeypatch, capsys):
    frames, mask = frames_and_mask()
    for name in ("frames", "masks"):
        (tmp_path / name).mkdir()
    for i, frame in enumerate(frames):
        Image.fromarray(frame).save(tmp_path / "frames" / f"{i}.png")
    write_mask(tmp_path / "masks" / "0.png", mask)
    late = np.zeros_like(mask)
    late[0, 0] = 7
    Image.fromarray(np.where(mask > 0, mask, late)).save(tmp_path / "masks" / "2.png")  # grey
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "segment_video.py",
            f"--saved_model={saved_model}",
            f"--frames={tmp_path / 'frames'}",
            f"--masks={tmp_path / 'masks'}",
            f"--output={tmp_path / 'out'}",
        ],
    )
    assert segment_video.main() == 0
    assert capsys.readouterr().out.startswith("4 frames in ")
    written = [np.array(Image.open(tmp_path / "out" / f"{i}.png")) for i in range(4)]
    third = np.roll(mask, 2, 1)
    third[0, 0] = 7
    for got, expected in zip(written, [mask, np.roll(mask, 1, 1), third, np.roll(third, 1, 1)]):
        np.testing.assert_array_equal(got, expected)


def test_palette_is_that_of_davis():
    np.testing.assert_array_equal(segment_video.davis_palette(), DAVIS_PALETTE)


@pytest.mark.parametrize("touching", [False, True])
def test_stress_notices_videos_that_touch(saved_model, monkeypatch, capsys, touching):
    arguments = ["stress.py", f"--saved_model={saved_model}", "--videos=3", "--frames=4"]
    monkeypatch.setattr(sys, "argv", arguments)
    if touching:
        whole = stress.run_together

        def broken(*values):
            labels, seconds = whole(*values)
            labels[1][2] = labels[1][2] + 1
            return labels, seconds

        monkeypatch.setattr(stress, "run_together", broken)
    assert stress.main() == int(touching)
    assert ("alone: [1]" if touching else "alone: none") in capsys.readouterr().out


def test_served_configuration_names_the_model():
    text = (SERVING / "model.config").read_text()
    assert 'name: "feelvos"' in text and 'base_path: "/models/feelvos"' in text
