"""The students of a cohort: what they predict, and as models of their own."""

from keras_css import methods
from keras_css.errors import UserError
from keras_css.errors import unknown_name
from keras_css.evaluation.students import AVERAGED
from keras_css.evaluation.students import KINDS
from keras_css.evaluation.students import WORDS
from keras_css.evaluation.students import choose_student
from keras_css.evaluation.students import shipping
from keras_css.evaluation.students import students_of
from keras_css.students import cut_student
from keras_css.students import student_sizes
from keras_css.training.validated import as_arguments
from keras_css.training.validated import measure


class Students:
    """Adds predictions of students to `OnlineDistiller`, and cuts them out."""

    def predict(self, x, **kwargs):
        """Returns every student's logits for many images.

        Args:
            x: Images in any form `keras.Model.predict` takes.
            **kwargs: As in `keras.Model.predict`.

        Returns:
            Dict from student name to a NumPy array `(N, C)`.
        """
        return students_of(self.method, self.predict_outputs(x, **kwargs))

    def predict_outputs(self, x, **kwargs):
        """Returns what the networks put out for many images.

        Args:
            x: Images in any form `keras.Model.predict` takes.
            **kwargs: As in `keras.Model.predict`.

        Returns:
            Dict from network name to `{"logits", "features"}`, NumPy arrays.
        """
        x = self._check_and_build(x, None, what="prediction")
        # One step a call: outputs leave the device after each, and TensorFlow
        # would trace every step of a call for itself.
        with self.one_step_a_call():
            return super().predict(x, **kwargs)

    def predict_on_batch(self, x):
        """Returns every student's logits for one batch, as `predict` does."""
        self._meet_first_batch(x, None, what="prediction")
        return students_of(self.method, super().predict_on_batch(x))

    def student_parts(self):
        """Returns what each student consists of.

        Returns:
            Dict as of `Method.student_parts`; with `average_weights` also
            `network_a/branch_0/averaged`, ...: the same branches with the
            averaged weights.
        """
        parts = self.method.student_parts()
        if not self.average_weights:
            return parts
        own = self.named_networks
        averaged = {
            f"{name}{AVERAGED}": members
            for name, members in parts.items()
            if all(network in own for network, _ in members)
        }
        return {**parts, **averaged}

    def student(
        self, name="best", image_shape=None, validation_data=None, ship="all"
    ):
        """Cuts a student out: an ordinary float32 Keras model.

        Args:
            name: A student's name, such as `"network_a/branch_0"`; or
                `"best"`, the cheapest whose validation accuracy lies within
                one standard error of the highest (see `best_student`);
                `"accuracy"`, `"branch"`, `"network"`: the most accurate (of
                its kind). With the weights as they are now: if no epoch of
                the last `fit` ended with these, all are measured again. With
                `/averaged` behind it, the same with the averaged weights.
            image_shape: `(H, W, channels)`, needed only if the networks were
                built for images of any size.
            validation_data: As in `fit`: what to choose the best on, default
                the validation data of the last `fit`.
            ship: Names of the networks that the best may consist of.

        Returns:
            A functional Keras model from images to logits `(B, C)`, with the
            layers and weights that this student needs and no others. Its
            attribute `about` says which student it is, for `export_onnx`.

        Raises:
            UserError: If there is no such student, or nothing to choose on.
        """
        if not self.built:
            raise UserError(
                "A student is cut out of a cohort that has seen images: call "
                "fit or build first."
            )
        if self.average_weights and str(name).endswith(AVERAGED):
            with self.averaged():
                student = self.student(
                    name.removesuffix(AVERAGED),
                    *(image_shape, validation_data, ship),
                )
            student.about["student"] += AVERAGED
            return student
        known = self.method.student_parts()
        networks = {**self.named_networks, **self.method.own_networks}
        if name not in known and name in (*WORDS, *KINDS):
            parts = shipping(known, ship)
            accuracies, images = self._accuracies(name, validation_data)
            name = choose_student(
                name,
                {one: accuracies[one] for one in parts},
                student_sizes(networks, parts),
                images,
            )
        if name not in known:
            raise unknown_name("student", name, [*WORDS, *self.student_parts()])
        student = cut_student(networks, known[name], image_shape)
        used = sorted({network for network, _ in known[name]})
        student.about = {
            "student": name,
            "method": methods.name_of(self.method),
            "backbones": {n: networks[n].backbone.about() for n in used},
        }
        return student

    def _accuracies(self, wanted, validation_data):
        """Returns accuracies with the weights as now, as of `measure`."""
        if validation_data is None:
            return self.validated.accuracies(self, wanted)
        return measure(self, as_arguments(validation_data))
