"""The same network in Keras, in an environment of its own (peers.sh), run through `tf.function`."""

import os
from collections.abc import Callable

import numpy as np
import tensorflow as tf
from jobs import Job, batch
from tensorflow.keras import layers

tf.config.threading.set_intra_op_parallelism_threads(int(os.environ["OMP_NUM_THREADS"]))
tf.config.threading.set_inter_op_parallelism_threads(1)

WIDTHS = (64,) * 4 + (128,) * 3 + (256,) * 3
NORM = ("weight", "bias", "running_mean", "running_var")


class STGCN(tf.keras.Model):
    """ST-GCN in Keras' own order (body, time, joint, channel), channels mixed first as the published code does.

    tensors: under the names that MMAction2 gives them. Each layer is built with its shapes and takes its own.
    """

    def __init__(self, tensors: dict[str, np.ndarray]):
        super().__init__()
        self.tensors, self.taken = tensors, []
        self.data_norm = self.norm("data_bn", tensors["data_bn.weight"].size)
        self.blocks_ = [self.block(i, *widths) for i, widths in enumerate(zip((3, *WIDTHS), WIDTHS, strict=False))]
        self.head = layers.Dense(tensors["fc.weight"].shape[0])
        self.head.build((None, WIDTHS[-1]))
        self.take(self.head, tensors["fc.weight"].T, tensors["fc.bias"])
        for layer, values in self.taken:
            layer.set_weights(values)

    def take(self, layer: layers.Layer, *values: np.ndarray) -> layers.Layer:
        self.taken.append((layer, list(values)))
        return layer

    def norm(self, name: str, width: int) -> layers.Layer:
        layer = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
        layer.build((None, None, None, width))
        return self.take(layer, *(self.tensors[f"{name}.{part}"] for part in NORM))

    def convolution(self, name: str, width_in: int, stride: int = 1) -> layers.Layer:
        kernel = self.tensors[f"{name}.weight"].transpose(2, 3, 1, 0)
        size = kernel.shape[0]
        layer = layers.Conv2D(kernel.shape[3], (size, 1), (stride, 1), "valid")
        layer.build((None, None, None, width_in))
        return self.take(layer, kernel, self.tensors[f"{name}.bias"])

    def block(self, i: int, width_in: int, width: int) -> dict:
        stride = 2 if width == 2 * width_in else 1
        block = {
            "graph": tf.constant(self.tensors[f"gcn.{i}.gcn.A"]),
            "importance": tf.Variable(self.tensors[f"gcn.{i}.gcn.PA"]),
            "mix": self.convolution(f"gcn.{i}.gcn.conv", width_in),
            "norm": self.norm(f"gcn.{i}.gcn.bn", width),
            "pad": layers.ZeroPadding2D((4, 0)),
            "temporal": self.convolution(f"gcn.{i}.tcn.conv", width, stride),
            "temporal_norm": self.norm(f"gcn.{i}.tcn.bn", width),
        }
        if stride == 2:
            block["projection"] = self.convolution(f"gcn.{i}.residual.conv", width_in, stride)
            block["projection_norm"] = self.norm(f"gcn.{i}.residual.bn", width)
        return block

    def call(self, x: tf.Tensor, training: bool) -> tf.Tensor:  # (N, M, T, V, C)
        N, M, T, V, C = x.shape
        x = self.data_norm(tf.reshape(x, (N * M, T, 1, V * C)), training=training)
        x = tf.reshape(x, (N * M, T, V, C))
        for i, block in enumerate(self.blocks_):
            x = self.run(block, x, training, first=i == 0)
        return self.head(tf.reduce_mean(tf.reshape(tf.reduce_mean(x, (1, 2)), (N, M, -1)), 1))

    def run(self, block: dict, x: tf.Tensor, training: bool, first: bool) -> tf.Tensor:
        B, T, V, _ = x.shape
        graph = block["graph"] * block["importance"]
        mixed = tf.reshape(block["mix"](x), (B, T, V, graph.shape[0], -1))
        y = tf.nn.relu(block["norm"](tf.einsum("btvkd,kvw->btwd", mixed, graph), training=training))
        y = block["temporal_norm"](block["temporal"](block["pad"](y)), training=training)
        if "projection" in block:
            y += block["projection_norm"](block["projection"](x), training=training)
        elif not first:
            y += x
        return tf.nn.relu(y)


def prepare(job: Job) -> Callable[[], np.ndarray]:
    if (job.network, job.precision, job.device) != ("stgcn", "fp32", "cpu"):
        raise LookupError("only ST-GCN in fp32 on the CPU is written for TensorFlow")
    if int(os.environ["OMP_NUM_THREADS"]) != job.threads:
        raise ValueError(f"TensorFlow was started with {os.environ['OMP_NUM_THREADS']} threads")
    with np.load(job.weights) as file:
        tensors = {key.removeprefix("backbone.").removeprefix("cls_head."): file[key] for key in file.files}
    clips, _, labels = map(tf.constant, batch(job))
    network = STGCN(tensors)

    infer = tf.function(lambda: network(clips, training=False))
    if not job.training:
        return lambda: infer().numpy()
    optimizer = tf.keras.optimizers.SGD(1e-4, momentum=0.9, nesterov=True, weight_decay=1e-4)
    variables = network.trainable_variables + [block["importance"] for block in network.blocks_]
    optimizer.build(variables)

    @tf.function
    def train() -> tf.Tensor:
        with tf.GradientTape() as tape:
            logits = network(clips, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return lambda: train().numpy()


def versions() -> dict[str, str]:
    return {"tensorflow": tf.__version__, "keras": tf.keras.__version__}
