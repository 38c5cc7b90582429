"""Cutting a student out of a cohort: an ordinary Keras model of its own."""

import inspect

import keras
import numpy as np

from keras_css.backbones.graph import is_graph
from keras_css.class_names import keep_class_names
from keras_css.copies import own_config
from keras_css.copies import take_weights
from keras_css.errors import ProofError
from keras_css.errors import UserError
from keras_css.precision import default_precision
from keras_css.precision import with_policy
from keras_css.students.fold import fold_batch_norm
from keras_css.students.preprocessing import NAME
from keras_css.students.preprocessing import share_preprocessing
from keras_css.supervision import aggregate
from keras_css.supervision import member_logits
from keras_css_runtime.settings import Sides

# A structural slip changes logits by far more; convolutions on a GPU that
# rounds to TensorFloat-32 change them by less.
LARGEST_DIFFERENCE = 5e-3


def cut_student(networks, parts, image_shape=None):
    """Returns one student as an ordinary float32 Keras model.

    The model holds the layers and weights that this student needs and no
    others: trunk, transformation, tail, and of each head the student's own
    columns. It consists of Keras' own layers wherever the backbone does;
    BatchNorm is folded into convolutions. It is compared with the networks
    (in float32) on a few random images.

    Args:
        networks: Dict from network name to `MultiBranchNetwork`, built.
        parts: Dict from `(network name, branch)` to the weight of that
            branch's class logits in the student, from `Method.student_parts`.
        image_shape: `(H, W, channels)`, needed only if the networks were built
            for images of any size.

    Returns:
        A functional model from images `(B, H, W, channels)`, as the networks
        take them, to logits `(B, C)`. A preprocessing layer, if the networks
        have one, is its layer `"preprocessing"`. It has the networks'
        `class_names`, also when it is saved.

    Raises:
        UserError: If the size of the images is not known.
        ProofError: If the student disagrees with its networks, for example
            because a layer of the user's own computes something else when it
            is called symbolically.
    """
    with default_precision("float32"):
        names = sorted({name for name, _ in parts})
        shape = _image_shape(networks[names[0]], image_shape)
        twins = {name: float32_copy(networks[name], shape) for name in names}
        name_apart(twins)
        student = fold_batch_norm(_assemble(twins, parts, shape))
        _forget_initializers(student)
        keep_class_names(student, twins[names[0]].class_names)
        # In mixed precision the networks themselves round too coarsely.
        exact = {
            name: networks[name] if _is_float32(networks[name]) else twin
            for name, twin in twins.items()
        }
        _compare(student, exact, parts, shape)
    return student


def _assemble(twins, parts, shape):
    """Returns the functional model of the parts, nothing folded yet."""
    images = keras.Input(shape, name="image", dtype="float32")
    seen = share_preprocessing(twins, images)
    outputs = []
    for name, twin in twins.items():
        wanted = sorted(i for of, i in parts if of == name)
        for i, features in _features(twin, seen[name], wanted):
            own = _own_columns(twin, i, parts[name, i])
            own.name = f"{name}_branch_{i}_logits"
            outputs.append(own(features))
    logits = keras.layers.Add()(outputs) if len(outputs) > 1 else outputs[0]
    return open_layers(keras.Model(images, logits, name="student"))


def _features(twin, images, branches):
    """Yields each branch with its pooled features, of prepared images.

    A trunk's output, and features, that several branches share are one tensor.
    """
    known = {}

    def once(layer, tensor):
        key = id(layer), id(tensor)
        if key not in known:
            # The tensor is kept, too: an id is unique among living objects.
            known[key] = expand(layer, tensor), tensor
        return known[key][0]

    for i in branches:
        view = twin.view(images, i)
        shared = once(twin.trunk, _dense(view))
        yield i, once(twin.tail_of(i), _dense(twin.seen(shared, i)))


def _dense(tensor):
    """Returns a symbolic tensor that Keras takes for a dense one.

    Keras calls the product of a symbolic tensor and an array sparse, and on
    JAX a layer of one's own behind it is then tried on sparse input.
    """
    tensor._sparse = False
    return tensor


def expand(layer, features):
    """Calls a layer symbolically so that its inner layers become nodes.

    A layer with weights of its own beside those of its inner layers stays one
    node, so that the weights stay weights.

    Args:
        layer: A Keras layer, built.
        features: A symbolic tensor.
    """
    if isinstance(layer, keras.Sequential):
        for inner in layer.layers:
            features = expand(inner, features)
        return features
    return _inside(layer, features) if _is_composite(layer) else layer(features)


def open_layers(model):
    """Returns a functional model whose layers have no layers inside.

    As `expand`, for what composite layers hold in turn. Preprocessing stays
    one layer.

    Args:
        model: A functional model; its layers are called, not copied.
    """

    def is_open(layer):
        return layer.name.startswith(NAME) or not _is_composite(layer)

    def call(layer, *args, **kwargs):
        if is_open(layer):
            return layer(*args, **kwargs)
        return _inside(layer, *args, **kwargs)

    while not all(is_open(layer) for layer in model.layers):
        model = keras.models.clone_model(
            model, clone_function=lambda layer: layer, call_function=call
        )
    return model


def _is_composite(layer):
    """Returns whether all weights of a layer are those of layers inside it."""
    own = not type(layer).__module__.startswith("keras.")
    if not isinstance(layer, keras.Layer) or not (own or is_graph(layer)):
        return False
    inner = layer._flatten_layers(include_self=False)
    of_inner = {id(v) for child in inner for v in child.variables}
    return bool(of_inner) and all(id(v) in of_inner for v in layer.variables)


def _inside(layer, *args, **kwargs):
    """Calls what a layer computes, so that its inner layers become nodes."""
    if "training" in inspect.signature(layer.call).parameters:
        kwargs["training"] = False
    return layer.call(*args, **kwargs)


def _forget_initializers(student):
    """Its weights are there; ours would be needed to load it."""
    for layer in student.layers:
        for name in [n for n in vars(layer) if n.endswith("_initializer")]:
            setattr(layer, name, keras.initializers.Zeros())


def _image_shape(network, image_shape):
    Sides(3, optional=True).check("image_shape", image_shape)
    shape = tuple(image_shape or network.image_shape or (None,))
    if None in shape:
        raise UserError(
            "A student is cut for images of one size, and the networks were "
            f"built for {shape}: give image_shape=(height, width, channels)."
        )
    return shape


def float32_copy(network, shape):
    """Returns a copy of a network in float32, whatever its precision."""
    twin = type(network).from_config(
        with_policy(own_config(network), "float32")
    )
    twin.build((None, *shape))
    take_weights(twin, network)
    return twin


def name_apart(twins):
    """Gives every layer of some networks a name of its own in one graph.

    Args:
        twins: Dict from name to a layer.
    """
    for name, twin in twins.items():
        for i, layer in enumerate(twin._flatten_layers(include_self=False)):
            layer.name = f"{name}_{i}_{layer.name}"


def _own_columns(network, branch, weight):
    """Returns a Dense layer with a branch's own columns, times a weight."""
    head = network.head_of(branch)
    joint = network.joint_labels and branch < network.num_branches
    step = network.num_branches if joint else 1
    first = branch if joint else 0
    dense = keras.layers.Dense(network.num_classes, dtype="float32")
    dense.build((None, network.backbone.feature_dim))
    kernel, bias = head.get_weights()
    dense.set_weights(
        [kernel[:, first::step] * weight, bias[first::step] * weight]
    )
    return dense


def _is_float32(network):
    layers = network._flatten_layers()
    return all(layer.compute_dtype == "float32" for layer in layers)


def _compare(student, networks, parts, shape):
    """Raises `ProofError` unless the student says what its networks say."""
    images = np.random.default_rng(0).uniform(0, 1, (2, *shape))
    if any(network.preprocessing is not None for network in networks.values()):
        images = images * 255
    images = images.astype("float32")
    own = {
        name: member_logits(
            network(images, training=False), network.num_classes
        )
        for name, network in networks.items()
    }
    expected = keras.ops.convert_to_numpy(aggregate(own, parts))
    found = keras.ops.convert_to_numpy(student(images, training=False))
    if not np.isfinite(expected).all():
        raise ProofError(
            "A student's networks must put out finite numbers, but put out NaN "
            "or infinity: their weights are broken."
        )
    difference = np.abs(found - expected).max()
    largest = LARGEST_DIFFERENCE * max(1.0, np.abs(expected).max())
    if not difference <= largest:
        raise ProofError(
            f"A student must agree with its networks within {largest:.2g}, but "
            f"differs by {difference:.2g}: does a layer of your own compute "
            "something else when it is called symbolically?"
        )
