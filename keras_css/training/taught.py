"""Teachers of a cohort: what they say of a batch, and how it learns of it."""

import contextlib

from keras import ops

from keras_css.data.batches import SAID
from keras_css.errors import UserError
from keras_css.methods.from_teachers import TEACHERS
from keras_css.methods.from_teachers import asked_once
from keras_css.methods.from_teachers import of_network
from keras_css.methods.losses import batch_mean
from keras_css.methods.losses import kl_divergence
from keras_css.supervision import member_logits
from keras_css.teachers.teacher import as_teacher
from keras_css_runtime.settings import NOT_NEGATIVE
from keras_css_runtime.settings import POSITIVE


class Taught:
    """Adds finished teachers to `OnlineDistiller`, with any method.

    Their variables are among those that a compiled step is handed, and nowhere
    else. A method that `wants_teacher` gets what they say with the networks'
    outputs. To the loss of any other one comes, for each network,

        teacher_weight T^2 mean over branches and teachers of KL(teacher || z)

    where z are a branch's class logits, both standardised where the method
    standardises what it compares. Every teacher sees what the network,
    or the branch, sees.
    """

    # A tuple, whose objects Keras does not take for layers.
    _teachers = ()
    # Whether what teachers say comes with the batches of training.
    said_is_stored = False
    _silent = False

    @property
    def teachers(self):
        """The `Teacher`s, in order."""
        return self._teachers

    @property
    def variables(self):
        found = super().variables
        if self.said_is_stored:
            return found
        known = {id(variable) for variable in found}
        taught = [v for t in self._teachers for v in t.variables]
        return [*found, *(v for v in taught if id(v) not in known)]

    def begin_teaching(self, teachers, weight, temperature):
        """Takes the arguments of the constructor; checks them."""
        NOT_NEGATIVE.check("teacher_weight", weight)
        POSITIVE.check("teacher_temperature", temperature)
        self.teacher_weight = weight
        self.teacher_temperature = temperature
        self.teach_with(teachers)

    def teach_with(self, teachers):
        """Takes teachers instead of those before; files hold none.

        Args:
            teachers: List of `Teacher`s or Keras models, may be empty.

        Raises:
            UserError: If one does not know the cohort's classes.
        """
        found = tuple(as_teacher(teacher) for teacher in teachers)
        for teacher in found:
            teacher.check(
                self.method.num_classes,
                getattr(self.networks[0], "class_names", None),
            )
        self._teachers = tuple(self.method.meet_teachers(found))
        if self.built:
            self.name_terms()
            self.train_function = self.test_function = None

    @property
    def taught_beside(self):
        """Whether teachers teach what the method does not know of."""
        return bool(self._teachers) and not self.method.wants_teacher

    @property
    def teacher_terms(self):
        """Names of the terms that teachers add to those of the method."""
        names = self.named_networks if self.taught_beside else ()
        return [f"{name}/teacher" for name in names]

    def check_taught(self):
        """Raises `UserError` if there is no teacher for the method's steps."""
        if self.method.wants_teacher and not self._teachers:
            raise UserError(
                f"{type(self.method).__name__} learns from a trained teacher, "
                "received none: give --teacher, in Python teachers=[...] or "
                "distiller.teach_with([...])."
            )
        if not self.said_is_stored:
            for teacher in self._teachers:
                teacher.check_in_steps()

    @contextlib.contextmanager
    def teachers_silent(self):
        """While it lasts, no teacher computes: what they teach is 0."""
        self._silent = True
        try:
            yield
        finally:
            self._silent = False

    def said_by_teachers(self, x, views=None, training=False):
        """Returns what all teachers say of each view, `{TEACHERS: ...}`.

        Args:
            x: The batch; what teachers say may be in it, stored under `SAID`.
            views: Dict from name to images; default those of evaluation.
            training: Whether this is a training step.

        Returns:
            `{}` without teachers, or while they are silent.
        """
        if not self._teachers or self._silent:
            return {}
        if isinstance(x, dict) and SAID in x:
            of_views = [x[SAID][:, :, i] for i in range(x[SAID].shape[2])]
            if len(of_views) == 1:
                of_views *= len(self.views.names)
            return {TEACHERS: dict(zip(self.views.names, of_views))}
        views = self.views.take(x, False) if views is None else views
        if self.method.looks_inside:
            said = self.method.ask_teachers(self._teachers, views, training)
            return {TEACHERS: said}

        def ask(images):
            said = [teacher.logits(images) for teacher in self._teachers]
            return ops.stack(said, axis=-1)

        return {TEACHERS: asked_once(ask, views)}

    def with_teachers(self, terms, outputs, said, sample_weight):
        """Returns the terms of a loss and what teachers add to it.

        Args:
            terms: What the method computed.
            outputs: Of the networks.
            said: What teachers say, of `said_by_teachers`, or None.
            sample_weight: `(B,)` or None.
        """
        total, t = terms["loss"], self.teacher_temperature
        if said is None:
            return {**terms, **dict.fromkeys(self.teacher_terms, 0.0)}
        for name, term in zip(self.named_networks, self.teacher_terms):
            z = member_logits(outputs[name], self.method.num_classes)
            z = z[..., None]
            target = ops.cast(of_network(said, name), z.dtype)
            kl = kl_divergence(*map(self.method.compared, (target, z)), t)
            terms = {**terms, term: t**2 * batch_mean(kl, sample_weight)}
            total = total + self.teacher_weight * terms[term]
        return {**terms, "loss": total}
