"""What a teacher computes on its way to the logits: stages, layers."""

import keras
from keras import ops

from keras_css.errors import UserError
from keras_css.errors import unknown_name
from keras_css.means import mean
from keras_css.networks.stages import pooled
from keras_css.networks.stages import stage_outputs
from keras_css.students.cut import float32_copy
from keras_css.teachers.teacher import Teacher

# What its classifier takes.
FEATURES = "features"


def teacher_of(distiller, student, name=None, class_names=None, about=None):
    """Returns a student as a `Teacher` whose stages are known.

    Args:
        distiller: The trained `OnlineDistiller`.
        student: A student's name, such as `"network_a/branch_0"`. Stages are
            known of those that are one branch of one network.
        name: As of `Teacher`.
        class_names: As of `Teacher`.
        about: As of `Teacher`.
    """
    model = distiller.student(student)
    teacher = Teacher(model, name, class_names, about)
    members = list(
        distiller.method.student_parts().get(model.about["student"], ())
    )
    if len(members) == 1:
        where, branch = members[0]
        networks = {**distiller.named_networks, **distiller.method.own_networks}
        teacher.network = networks[where], branch
    return teacher


class OpenTeacher(Teacher):
    """A teacher that also says what its layers put out.

    Args:
        teacher: The `Teacher`, an open one or not.
        layers: Names of layers of its model; `FEATURES` is what its classifier
            takes. Of a teacher with a `network` also `stage_1`, ...; without
            any name all of these, the stem left out.
        batch_statistics: Whether BatchNorm normalises with each batch's mean
            and variance, as in training. The running ones stay as they are.

    Attributes:
        widths: List of the layers' channels.

    Raises:
        UserError: If it does not have these layers.
    """

    def __init__(self, teacher, layers=(), batch_statistics=False):
        teacher = getattr(teacher, "closed", teacher)
        for name in ("name", "class_names", "about"):
            setattr(self, name, getattr(teacher, name))
        self.num_classes = teacher.num_classes
        self.image_shape = teacher.image_shape
        self.closed = teacher
        self.batch_statistics = batch_statistics
        model, known = self._whole()
        layers = layers or [name for name in known if name != FEATURES]
        if not layers:
            raise UserError(
                f"Teacher '{self.name}' must be one branch of a run's network, "
                "whose stages are known, received another: give "
                "RUN@network_a/branch_0, or name the layers that teach, "
                "--method_option teacher_layers=NAME,NAME."
            )
        found = [self._output(model, known, name) for name in layers]
        self.widths = [tensor.shape[-1] for tensor in found]
        self.model = keras.Model(model.inputs, [model.outputs[0], *found])
        self.model.trainable = False
        if batch_statistics:
            _normalise_by_batches(self.model)

    def _whole(self):
        """Returns a model to logits, and known outputs inside it by name."""
        if self.closed.network is not None:
            self._are_probabilities = False
            network, branch = self.closed.network
            # The tests' own precision stays.
            if network.compute_dtype != "float64":
                network = float32_copy(network, network.image_shape)
            return staged(network, branch)
        model = getattr(self.closed, "model", None)
        if not isinstance(model, keras.Model):
            raise UserError(
                f"Teacher '{self.name}' must be a Keras model or a run, whose "
                "layers can be looked at, received one that gives logits only."
            )
        self._are_probabilities = self.closed._are_probabilities
        return model, {}

    def _output(self, model, known, name):
        """Returns what a layer puts out, a symbolic tensor."""
        if name in known:
            return known[name]
        names = [layer.name for layer in model.layers]
        if name == FEATURES:
            return self._features(model)
        if name not in names:
            raise unknown_name(
                f"layer of teacher '{self.name}'", name, [*known, *names]
            )
        try:
            found = model.get_layer(name).output
        except AttributeError:
            found = None
        if len(getattr(found, "shape", ())) not in (2, 4):
            raise UserError(
                f"Layer '{name}' of teacher '{self.name}' must put out one map "
                "(B, h, w, D) or features (B, D), received "
                f"{getattr(found, 'shape', found)}: name another one."
            )
        return found

    def _features(self, model):
        last, number, _ = model.outputs[0]._keras_history
        if not isinstance(last, keras.layers.Dense):
            raise UserError(
                f"Teacher '{self.name}' must end in a Dense layer, whose input "
                f"its features are, received '{last.name}': name the layer "
                "that puts them out, --method_option teacher_layers=NAME."
            )
        return last._inbound_nodes[number].input_tensors[0]

    def look(self, images, training=False):
        """Returns its logits and what its layers put out, no gradient back.

        Args:
            images: As of `logits`.
            training: Whether a network learns from it.

        Returns:
            `(logits, layers)`: `(B, C)` and a list of `(B, D)`, spatial means
            of maps.
        """
        images = self.seen(images)
        if training and self.batch_statistics:
            # Vectors as copies: PyTorch moves statistics in place.
            values = [
                ops.copy(v) if len(v.shape) == 1 else v.value
                for v in self.model.non_trainable_variables
            ]
            (logits, *layers), _ = self.model.stateless_call(
                [], values, images, training=True
            )
        else:
            logits, *layers = self.model(images, training=False)
        return ops.stop_gradient(self.as_logits(logits)), [
            ops.stop_gradient(mean(x, (1, 2)) if len(x.shape) == 4 else x)
            for x in layers
        ]

    def logits(self, images):
        return self.look(images)[0]


def staged(network, branch):
    """Returns a branch as a functional model, and what is known inside it.

    Args:
        network: A `MultiBranchNetwork`, built for images of one size; its
            layers are called, not copied.
        branch: Its number, that of the main branch comes last.

    Returns:
        `(model, known)`: from images to logits `(B, C)`, and a dict from
        `"stage_1"`, ... (none where the backbone has no stages) and
        `FEATURES` to symbolic tensors.
    """
    images = keras.Input(network.image_shape, dtype=network.variable_dtype)
    known = {}
    if _has_stages(network.backbone):
        maps = stage_outputs(network, images, branch=branch)
        known = {f"stage_{i}": maps[i] for i in range(1, len(maps))}
        features = pooled(network, maps[-1], branch)
    else:
        seen = network.view(network.prepared(images), branch)
        seen = network.seen(network.trunk(seen), branch)
        features = network.tail_of(branch)(seen)
    logits = network.head_of(branch)(features)
    if network.joint_labels and branch < network.num_branches:
        logits = logits[:, branch :: network.num_branches]
    return keras.Model(images, logits), {**known, FEATURES: features}


def _has_stages(backbone):
    try:
        return bool(backbone.stages())
    except UserError:
        return False


def _normalise_by_batches(model):
    """Lets BatchNorm see batches, though none of its weights trains."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.trainable = True
    for variable in model.variables:
        variable.trainable = False
