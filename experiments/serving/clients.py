"""Three ways to an exported model: in this process, TensorFlow Serving's REST, its gRPC.

All have one method: call(signature, **inputs) -> outputs by name. Nothing here needs feelvos_tf.

    video = Video(SavedModelClient("feelvos/1"))
    video.begin(first_frame, first_mask)     # uint8 [H, W, 3] and [H, W]
    labels = video.step(frame)               # uint8 [H, W]
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request

import numpy as np


class ServingError(Exception):
    """The model refused its input, or the server does not answer; the message is one line."""


class Video:
    """One video; the state lives here, on the client's side."""

    def __init__(self, client):
        self._client = client
        self._state = None
        self.confidences = None

    def begin(self, image, mask):
        """Takes the first frame and the mask of its objects; returns the labels."""
        return self._take(self._client.call("initialize", image=image, mask=mask))

    def step(self, image):
        """Returns the next frame's labels, uint8 [H, W]."""
        return self._take(self._client.call("step", image=image, **self._state))

    def add_objects(self, image, mask):
        """Adds the mask's objects to the frame handed over last; returns the labels."""
        return self._take(self._client.call("add_objects", image=image, mask=mask, **self._state))

    def correct(self, image, mask):
        """Sets the frame handed over last right by the mask of all in it; returns the labels."""
        return self._take(self._client.call("correct", image=image, mask=mask, **self._state))

    @property
    def object_ids(self):
        """Ids tracked so far, background's 0 first."""
        return np.asarray(self._state["object_ids"], np.int32)

    def _take(self, outputs):
        confidences = outputs.pop("confidences", None)
        self._state = outputs
        self.confidences = None if confidences is None else np.asarray(confidences, np.uint8)
        return np.asarray(outputs["labels"], np.uint8)


class SavedModelClient:
    """Runs the model in this process; needs tensorflow alone."""

    def __init__(self, folder):
        import tensorflow as tf

        self._tf = tf
        # Signatures are functions of a module that must stay alive.
        self.module = tf.saved_model.load(folder)

    def call(self, signature, **inputs):
        tensors = {name: self._tf.convert_to_tensor(value) for name, value in inputs.items()}
        try:
            return dict(self.module.signatures[signature](**tensors))
        except self._tf.errors.InvalidArgumentError as error:
            raise ServingError(_line(error.message)) from error


class RestClient:
    """Asks TensorFlow Serving for JSON; needs no package.

    The state travels as text in both directions, some 20 bytes a number, so this suits small frames
    and languages without gRPC. `url` is like http://localhost:8501/v1/models/feelvos
    """

    def __init__(self, url, timeout=60):
        self._url = f"{url.rstrip('/')}:predict"
        self._timeout = timeout

    def call(self, signature, **inputs):
        body = {
            "signature_name": signature,
            "inputs": {name: np.asarray(value).tolist() for name, value in inputs.items()},
        }
        request = urllib.request.Request(
            self._url, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                outputs = json.load(answer)["outputs"]
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                text = json.loads(text)["error"]
            except (ValueError, KeyError, TypeError):
                text = f"HTTP {error.code} {text}"
            raise ServingError(_line(text)) from error
        except urllib.error.URLError as error:
            raise ServingError(f"{self._url}: {error.reason}") from error
        if not isinstance(outputs, dict):  # a single output comes without its name
            outputs = {"embeddings": outputs}
        # JSON has no types; whole numbers may stand for floats.
        return {name: np.asarray(value, _dtype(name)) for name, value in outputs.items()}


class GrpcClient:
    """Asks TensorFlow Serving over gRPC; needs tensorflow and grpcio.

    The two messages used are declared below: the package tensorflow-serving-api, which declares
    them all, would replace the installed TensorFlow by the newest one.
    """

    def __init__(self, address, model="feelvos", timeout=60):
        import grpc

        self._grpc = grpc
        self._timeout = timeout
        self._model = model
        self._request, self._response = predict_messages()
        # States of large frames are above gRPC's default limit of 4 MB.
        channel = grpc.insecure_channel(
            address,
            options=[("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)],
        )
        self._predict = channel.unary_unary(
            "/tensorflow.serving.PredictionService/Predict",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=self._response.FromString,
        )

    def call(self, signature, **inputs):
        import tensorflow as tf

        request = self._request()
        request.model_spec.name = self._model
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        try:
            answer = self._predict(request, timeout=self._timeout)
        except self._grpc.RpcError as error:
            raise ServingError(_line(error.details())) from error
        return {name: tf.make_ndarray(value) for name, value in answer.outputs.items()}


def predict_messages():
    """Declares tensorflow.serving.PredictRequest and PredictResponse, with the fields used here.

    Returns:
      The two message classes.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    from tensorflow.core.framework import tensor_pb2

    field = descriptor_pb2.FieldDescriptorProto
    package = "feelvos_client"  # names are not on the wire, and may be taken in this process
    file = descriptor_pb2.FileDescriptorProto(
        name="feelvos_client.proto",
        package=package,
        syntax="proto3",
        dependency=[tensor_pb2.DESCRIPTOR.name],
    )

    def add(message, name, number, kind, type_name=None, label=field.LABEL_OPTIONAL):
        message.field.add(name=name, number=number, type=kind, type_name=type_name, label=label)

    spec = file.message_type.add(name="ModelSpec")
    add(spec, "name", 1, field.TYPE_STRING)
    add(spec, "signature_name", 3, field.TYPE_STRING)
    for message, tensors, number, spec_number in (
        ("PredictRequest", "inputs", 2, 1),
        ("PredictResponse", "outputs", 1, 2),
    ):
        entry_name = f"{tensors.capitalize()}Entry"
        declared = file.message_type.add(name=message)
        add(declared, "model_spec", spec_number, field.TYPE_MESSAGE, f".{package}.ModelSpec")
        entry = declared.nested_type.add(name=entry_name)
        entry.options.map_entry = True
        add(entry, "key", 1, field.TYPE_STRING)
        add(entry, "value", 2, field.TYPE_MESSAGE, ".tensorflow.TensorProto")
        add(
            declared,
            tensors,
            number,
            field.TYPE_MESSAGE,
            f".{package}.{message}.{entry_name}",
            field.LABEL_REPEATED,
        )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return tuple(
        message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{package}.{name}"))
        for name in ("PredictRequest", "PredictResponse")
    )


def _dtype(name):
    if name in ("labels", "confidences"):
        return np.uint8
    whole = ("object_ids", "previous_labels", "reference_pixels", "reference_objects")
    return np.int32 if name in whole else np.float32


def _line(message):
    """What the model's check says, out of all that TensorFlow puts around it."""
    text = " ".join(str(message).split())
    start, mark, rest = text.partition("assertion failed: [")
    return rest.partition("] [[")[0] if mark else text
