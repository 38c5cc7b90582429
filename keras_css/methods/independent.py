"""Independent: each network alone, the baseline of every table."""

import keras

from keras_css.methods.losses import batch_mean
from keras_css.methods.losses import cross_entropy
from keras_css.methods.losses import plain_cross_entropy
from keras_css.methods.method import Method
from keras_css.supervision import branch_labels


@keras.saving.register_keras_serializable(package="keras_css")
class Independent(Method):
    """L = sum over networks of the mean over branches of the cross-entropy.

    The cross-entropy of a main branch is added where there is one.

    By default each network is a plain one: a single branch, C columns, no
    transformation, which is what a user would train without us. With joint
    labels and transformations on the networks it is the ablation "supervision
    without distillation".
    """

    def compute_losses(
        self, outputs, labels, sample_weight=None, epoch=0.0, training=False
    ):
        terms = {}
        for name, output in outputs.items():
            logits = output["logits"]
            targets = branch_labels(labels, logits, self.num_classes)
            loss = cross_entropy(logits, targets)
            terms[f"{name}/ce"] = batch_mean(loss, sample_weight)
            if "main" in output:
                main = plain_cross_entropy(
                    output["main"], labels, sample_weight
                )
                terms[f"{name}/main_ce"] = main
        return {**terms, "loss": sum(terms.values())}
