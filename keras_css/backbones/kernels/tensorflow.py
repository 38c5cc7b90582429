"""TensorFlow: its fused BatchNorm.

oneDNN has no gradients of convolutions with explicit padding: TensorFlow would
take its own, up to eight times slower ones.
"""

import tensorflow as tf


def suit(x):
    """Returns whether TensorFlow's fused operations take x."""
    return tf.is_tensor(x) and x.dtype != tf.float64


def conv_norm(x, conv, norm, relu, add, training):
    half = conv.kernel_size[0] // 2
    if half and conv.padding == "valid":
        x = tf.pad(x, [[0, 0], [half, half], [half, half], [0, 0]])
    y = tf.nn.conv2d(
        x,
        tf.convert_to_tensor(conv.kernel),
        strides=conv.strides,
        padding=conv.padding.upper(),
    )
    gamma, beta = map(tf.convert_to_tensor, (norm.gamma, norm.beta))
    mean, variance = norm.moving_mean, norm.moving_variance
    none = tf.zeros([0])
    y, batch_mean, batch_variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=y,
        scale=gamma,
        offset=beta,
        mean=none if training else tf.convert_to_tensor(mean),
        variance=none if training else tf.convert_to_tensor(variance),
        epsilon=norm.epsilon,
        is_training=training,
    )
    if training:
        norm.move(mean, batch_mean)
        norm.move(variance, batch_variance)
    y = y if add is None else y + add
    return tf.nn.relu(y) if relu else y
