"""What a step computes from a batch: the loss, its terms, accuracies."""

import contextlib

import keras
from keras import ops

from keras_css.data.augmentation.mixing import dominant_labels
from keras_css.data.augmentation.mixing import mixed_labels
from keras_css.methods.from_teachers import TEACHERS
from keras_css.methods.losses import hard_labels
from keras_css.methods.losses import label_distribution
from keras_css.methods.losses import smoothed
from keras_css.training.labels import batch_labels
from keras_css.training.labels import batch_size
from keras_css.training.labels import check_step
from keras_css.training.named_means import NamedMeans

# Beside the networks' outputs: the share of mixed images that is their own.
SHARE = "share"


class StepLosses:
    """Adds loss and metrics to a `keras.Model` with a method and networks.

    It stands before the `TrainStep`, so that labels are looked at before a
    step is compiled or recorded.
    """

    @property
    def metrics_names(self):
        """Names of what `evaluate` returns, in its order: the loss first."""
        own, named = [], []
        for metric in self.metrics:
            several = isinstance(metric, NamedMeans)
            (named if several else own).extend(
                metric.names if several else [metric.name]
            )
        # Keras sorts those that are not called as a metric is.
        return [*own, *sorted(named)]

    @contextlib.contextmanager
    def one_step_a_call(self):
        """While it lasts, `steps_per_execution` is 1."""
        steps, self.steps_per_execution = self.steps_per_execution, 1
        try:
            yield
        finally:
            self.steps_per_execution = steps

    def name_terms(self):
        """Makes the means of the terms that the loss is a sum of."""
        names = [name for name in self.method.term_names if name != "loss"]
        if self.term_means is not None:
            # Keras keeps every metric that was ever set, and takes none from
            # a model that is built.
            del self.term_means
            self._tracker.unlock()
        self.term_means = NamedMeans(
            [*names, *self.teacher_terms], name="terms"
        )
        if self.built:
            self._tracker.lock()

    def train_step(self, *state_and_data):
        self.check_taught()
        check_step(state_and_data[-1], self.method.num_classes, "training")
        return super().train_step(*state_and_data)

    def test_step(self, *state_and_data):
        check_step(
            state_and_data[-1],
            self.method.num_classes,
            "validation or evaluation",
        )
        return super().test_step(*state_and_data)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Returns the method's loss and keeps the means of its terms.

        Args:
            x: Images `(B, H, W, c)`; only counted.
            y: Integer labels `(B,)` or `(B, 1)`, or distributions over the
                classes `(B, C)`.
            y_pred: What `call` returned; labels are mixed as the images were.
            sample_weight: `(B,)` or None.
            training: Whether layers of the method's own train, and labels
                are smoothed.

        Returns:
            A scalar, losses added by the networks' layers included.
        """
        labels, share, outputs = self._labels(x, y, y_pred)
        if share is not None:
            rows = label_distribution(
                labels, self.method.num_classes, keras.config.floatx()
            )
            labels = mixed_labels(rows, share)
        if training and self.label_smoothing:
            labels = smoothed(
                labels, self.method.num_classes, self.label_smoothing
            )
        said = y_pred.get(TEACHERS)
        if said is None and x is not None:
            said = self.said_by_teachers(x).get(TEACHERS)
        if said is not None and self.method.wants_teacher:
            outputs = {**outputs, TEACHERS: said}
        terms = self.method.compute_losses(
            outputs,
            labels,
            sample_weight,
            epoch=self.epoch,
            training=training,
        )
        if self.taught_beside:
            terms = self.with_teachers(terms, outputs, said, sample_weight)
        total = terms["loss"]
        for extra in self.losses:
            total = total + ops.sum(extra)
        self.term_means.update_state(terms, ops.shape(labels)[0])
        return total

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Updates every student's accuracy and returns all metrics.

        What counts as right is the likeliest class of a distribution, and of
        a mixed image the label of the image that has the larger share.
        """
        labels, share, outputs = self._labels(x, y, y_pred)
        labels = hard_labels(labels)
        if share is not None:
            labels = dominant_labels(labels, share)
        students = self.method.students(outputs)
        logits = ops.stack(list(students.values()))
        correct = ops.argmax(logits, axis=-1) == ops.expand_dims(labels, 0)
        means = ops.mean(ops.cast(correct, "float32"), axis=1)
        accuracies = {
            f"{name}/accuracy": means[i] for i, name in enumerate(students)
        }
        self.accuracy_means.update_state(accuracies, ops.shape(labels)[0])
        return self.get_metrics_result()

    def _labels(self, x, y, y_pred):
        """Returns the labels of a batch, its share, and the outputs alone."""
        outputs = dict(y_pred)
        share = outputs.pop(SHARE, None)
        outputs.pop(TEACHERS, None)
        count = -1 if x is None else batch_size(x)
        return batch_labels(y, self.method.num_classes, count), share, outputs
