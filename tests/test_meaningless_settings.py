"""A setting that means nothing is refused by what takes it, in one line."""

import math
import re

import keras
import numpy as np
import pytest

from keras_css import SGD
from keras_css import MultiBranchNetwork
from keras_css import OnlineDistiller
from keras_css import UserError
from keras_css import WarmupMultiStep
from keras_css import backbones
from keras_css import methods
from keras_css.data import DataRequest
from keras_css.data import Split
from keras_css.data import augmentation
from keras_css.data.augmentation import Mixing
from keras_css.data.batches import EvaluationBatches
from keras_css.data.batches import TrainingBatches
from keras_css.deploy import OnnxClassifier
from keras_css.deploy.benchmark import benchmark as measure_latency
from keras_css.deploy.candidate import ExportOptions
from keras_css.runs import train
from keras_css.runs.config import RunConfig
from keras_css.training import WarmupCosine
from keras_css_runtime.settings import Number

pytestmark = pytest.mark.once

NAN, INFINITE = math.nan, math.inf


def data(**settings):
    return DataRequest("digits", **settings)


def run(**settings):
    return RunConfig(**settings)


def steps(**settings):
    return WarmupMultiStep(
        **{"learning_rate": 0.1, "steps_per_epoch": 9, **settings}
    )


def cosine(**settings):
    return WarmupCosine(
        **{"learning_rate": 0.1, "steps_per_epoch": 9, "epochs": 9, **settings}
    )


def split():
    return Split(np.zeros((4, 2, 2, 1), "uint8"), np.zeros(4, "int64"))


def training(**settings):
    return TrainingBatches(split(), **{"batch_size": 2, "seed": 0, **settings})


def evaluation(**settings):
    return EvaluationBatches(split(), **settings)


def network(**settings):
    return MultiBranchNetwork(
        "resnet8", **{"num_classes": 4, "num_branches": 1, **settings}
    )


def cohort(**settings):
    return OnlineDistiller(
        **{
            "networks": [network(transformation="none")],
            "method": "independent",
            **settings,
        }
    )


def compiled(**settings):
    return cohort().compile(**settings)


def classifier(**settings):
    return OnnxClassifier("there_is_none.onnx", **settings)


def resnet(**settings):
    return backbones.CifarResNet(
        **{"block": "bottleneck", "blocks": (1, 1, 1), **settings}
    )


def resized(**settings):
    return augmentation.RandomResizedCrop(size=(8, 8), **settings)


def training_run(**settings):
    return train(RunConfig(), "nowhere", **settings)


def benchmark(**settings):
    return measure_latency("there_is_none.onnx", **settings)


CASES = [
    (data, {"seed": -1}, "seed must be a whole number from 0"),
    (data, {"seed": 1.5}, "seed must be a whole number"),
    (data, {"seed": None}, "seed must be a whole number"),
    (data, {"seed": 2**40}, "seed must be a whole number from 0 to"),
    (data, {"image_size": 32}, "image_size must be height and width"),
    (data, {"image_size": (8, 8, 3)}, "image_size must be height and width"),
    (data, {"image_size": (8.5, 8)}, "image_size must be height and width"),
    (data, {"image_size": (0, 8)}, "whole numbers between 1 and 1024"),
    (data, {"image_size": (8, 9999)}, "whole numbers between 1 and 1024"),
    (data, {"download": "no"}, "download must be true or false"),
    (data, {"crop_to_box": "no"}, "crop_to_box must be true or false"),
    (data, {"first_classes": 1}, "first_classes must be a whole number from 2"),
    (data, {"first_classes": 2.5}, "first_classes must be a whole number"),
    (data, {"per_class": 0}, "per_class must be a whole number from 1"),
    (data, {"per_class": True}, "per_class must be a whole number"),
    (data, {"feeding": "never"}, "feeding must be auto or"),
    (data, {"on_bad_image": "ignore"}, "on_bad_image must be error or skip"),
    (data, {"crop_fraction": 5.0}, "crop_fraction must be a number from 0.1"),
    (data, {"crop_fraction": 0}, "crop_fraction must be a number from 0.1"),
    (data, {"box_margin": -3}, "box_margin must be a number from 0"),
    (data, {"box_margin": NAN}, "box_margin must be a number"),
    (data, {"box_margin": None}, "box_margin must be a number"),
    (
        data,
        {"validation_fraction": 1.0},
        "validation_fraction must lie between",
    ),
    (data, {"test_fraction": "0.2"}, "test_fraction must lie between"),
    (run, {"feeding": "never"}, "--feeding must be auto or"),
    (run, {"per_class": 0}, "--per_class must be a whole number from 1"),
    (run, {"momentum": 1.0}, "--momentum must lie in [0, 1)"),
    (Mixing, {"mixup": -1.0}, "mixup must be a number from 0 to 100"),
    (Mixing, {"mixup": NAN}, "mixup must be a number"),
    (Mixing, {"cutmix": INFINITE}, "cutmix must be a number"),
    (Mixing, {"cutmix": "1"}, "cutmix must be a number"),
    (Mixing, {}, "Mixing needs mixup or cutmix above 0"),
    (Mixing, {"mixup": 1, "probability": NAN}, "probability must be a number"),
    (augmentation.Cutout, {"size": 2.5}, "size of Cutout must be a whole"),
    (augmentation.Cutout, {"size": -4}, "size of Cutout must be a whole"),
    (
        augmentation.ColorJitter,
        {"contrast": -1},
        "contrast of ColorJitter must",
    ),
    (augmentation.ColorJitter, {"hue": 3}, "hue of ColorJitter must be a num"),
    (
        augmentation.RandAugment,
        {"magnitude": 11},
        "of RandAugment must be a num",
    ),
    (augmentation.PadAndCrop, {"padding": -1}, "of PadAndCrop must be a whole"),
    (resized, {"least_area": 5}, "least_area of RandomResizedCrop must be"),
    (resized, {"aspect": 0}, "aspect of RandomResizedCrop must be"),
    (augmentation.PadAndCrop, {"padding": 0.5}, "must be a whole number"),
    (augmentation.PadAndCrop, {"size": (0, 8)}, "must be height and width"),
    (augmentation.PadAndCrop, {"size": 8}, "must be height and width"),
    (augmentation.RandAugment, {"count": 1.5}, "must be a whole number"),
    (augmentation.RandomResizedCrop, {"size": (8, -8)}, "height and width"),
    (SGD, {"learning_rate": -0.1}, "learning_rate must be at least 0"),
    (SGD, {"learning_rate": NAN}, "learning_rate must be a number"),
    (SGD, {"learning_rate": "0.1"}, "learning_rate must be a number"),
    (SGD, {"learning_rate": None}, "learning_rate must be a number"),
    (SGD, {"momentum": "0.9"}, "momentum must be a number"),
    (SGD, {"weight_decay": INFINITE}, "weight_decay must be a number"),
    (SGD, {"nesterov": "no"}, "nesterov must be true or false"),
    (SGD, {"nesterov": True, "momentum": 0}, "nesterov needs a momentum"),
    (steps, {"learning_rate": -1.0}, "learning_rate must be at least 0"),
    (steps, {"warmup_epochs": -1.0}, "warmup_epochs must be at least 0"),
    (steps, {"factor": -1.0}, "factor must be at least 0"),
    (steps, {"steps_per_epoch": 2.5}, "steps_per_epoch must be a whole"),
    (steps, {"milestones": (2.5,)}, "milestones must be a whole number"),
    (steps, {"milestones": (0, 3)}, "milestones must be a whole number from 1"),
    (steps, {"smooth_warmup": "no"}, "smooth_warmup must be true or false"),
    (cosine, {"learning_rate": NAN}, "learning_rate must be a number"),
    (cosine, {"epochs": 0}, "epochs must be a whole number from 1"),
    (cosine, {"epochs": 8.5}, "epochs must be a whole number"),
    (cosine, {"warmup_epochs": -2}, "warmup_epochs must be at least 0"),
    (cosine, {"warmup_epochs": 9}, "warmup_epochs must be fewer than epochs"),
    (training, {"batch_size": 0}, "batch_size must be a whole number from 1"),
    (training, {"batch_size": 2.0}, "batch_size must be a whole number"),
    (training, {"seed": -1}, "seed must be a whole number from 0"),
    (training, {"num_draws": -2}, "num_draws must be a whole number from 0"),
    (training, {"resident": "no"}, "resident must be true or false"),
    (evaluation, {"at_most": 0}, "at_most must be a whole number from 1"),
    (network, {"num_branches": True}, "num_branches must be an integer"),
    (network, {"joint_labels": "no"}, "joint_labels must be true or false"),
    (network, {"main_branch": 2}, "main_branch must be true or false"),
    (cohort, {"label_smoothing": "0.1"}, "label_smoothing must be a number"),
    (cohort, {"label_smoothing": NAN}, "label_smoothing must be a number"),
    (cohort, {"augment_each_network": "no"}, "must be true or false"),
    (cohort, {"networks": ["resnet8"]}, "is made of MultiBranchNetworks"),
    (cohort, {"networks": "resnet8"}, "is made of MultiBranchNetworks"),
    (cohort, {"augmentation": ["flip"]}, "augmentation must be a Keras layer"),
    (cohort, {"mixing": 0.2}, "mixing must be a keras_css"),
    (compiled, {"steps_per_execution": 1.5}, "must be a whole number"),
    (classifier, {"batch_size": 0}, "batch_size must be a whole number from 1"),
    (classifier, {"batch_size": "8"}, "batch_size must be a whole number"),
    (classifier, {"threads": -1}, "threads must be a whole number from 1"),
    (classifier, {"threads": 1.5}, "threads must be a whole number"),
    (classifier, {"threads": 10**6}, "threads must be a whole number from 1"),
    (backbones.WideResNet, {"depth": 16, "width": 1.5}, "width must be a"),
    (backbones.WideResNet, {"depth": 16, "width": 0}, "width must be a whole"),
    (backbones.WideResNet, {"depth": 16.0, "width": 1}, "depth must be a"),
    (backbones.DenseNet, {"depth": 7, "growth": 2.5}, "growth must be a"),
    (backbones.VGG, {"blocks": (1, 1, 1, 1, 1.5)}, "must be 5 counts"),
    (resnet, {"blocks": (1, 1, 1.5)}, "must be 3 counts"),
    (resnet, {"split": 1.5}, "split of CifarResNet must lie in"),
    (resnet, {"split": True}, "split of CifarResNet must lie in"),
    (resnet, {"inner_width": -8}, "inner_width must be a whole number from 1"),
    (training_run, {"on_nonfinite": "ignore"}, "must be stop or rollback"),
    (training_run, {"checkpoint_minutes": NAN}, "checkpoint_minutes must be"),
    (benchmark, {"batch_sizes": (1, 2.5)}, "batch_sizes must be a whole"),
    (benchmark, {"seconds": 0}, "seconds must be positive"),
    (benchmark, {"threads": 0}, "threads must be a whole number from 1"),
    (ExportOptions, {"batch_size": 2.5}, "batch size must lie in"),
    (ExportOptions, {"batch_size": "8"}, "batch size must lie in"),
    (ExportOptions, {"max_accuracy_drop": NAN}, "must be a fraction of 1"),
    (ExportOptions, {"max_accuracy_drop": "0"}, "must be a fraction of 1"),
]


@pytest.mark.parametrize(
    ("make", "settings", "words"),
    CASES,
    ids=[
        f"{make.__name__}-{'-'.join(map(str, settings.items()))}"
        for make, settings, _ in CASES
    ],
)
def test_it_is_refused(make, settings, words):
    with pytest.raises(UserError, match=re.escape(words)):
        make(**settings)


NUMBERS = {
    "temperature": [0, -1.0, NAN, INFINITE, "3", None, True],
    "ramp_up_epochs": [-1, NAN, INFINITE, "80"],
    "ramp_down_epochs": [-1, NAN],
    "run_epochs": [-1, "80"],
    "weight": [-1.0, NAN, "1"],
    "aggregate_weight": [-0.5, INFINITE],
    "ce_weight": [-0.1, NAN],
    "kd_weight": [-1.0, "0.9"],
    "cd_weight": [-1.0, NAN],
    "cd_decay": [-0.1, "0.9"],
    "alone_epochs": [-1, NAN],
    "batch_statistics": ["no", 1],
    "turned_weight": [-1.0],
    "ss_weight": [-1.0, NAN],
    "ss_temperature": [0, NAN],
    "turned_ratio": [-0.1, 1.1],
    "ss_ratio": [-0.1, "1"],
    "module_epochs": [0, 2.5],
    "module_temperature": [0, -1],
    "wait": ["no", 1],
    "alpha": [-1.0, NAN],
    "beta": [-1.0, "8"],
    "gamma": [-1.0, INFINITE],
    "standardize": ["no", 1],
    "target_epsilon": [-1e-7, 1, NAN],
    "decay": [1, -0.1, NAN, "0.9"],
    "detach": ["no", 1],
    "utility_scores": ["no", None],
}


@pytest.mark.parametrize("name", methods.METHODS.names())
def test_every_option_of_every_method(name):
    make = methods.METHODS.get(name)
    options = {
        option: value
        for base in make.__mro__
        for option, value in vars(base).get("rules", {}).items()
    }
    assert set(options) <= set(NUMBERS)
    for option in options:
        for value in NUMBERS[option]:
            with pytest.raises(UserError, match=f"^{option} must "):
                make(**{option: value})
    if "temperature" in options:
        with pytest.raises(UserError, match=r"^temperature must be positive"):
            make(-1.0)


def test_every_number_of_a_method_has_a_rule():
    from keras_css.runs.method_options import options_of

    for name in methods.METHODS.names():
        make = methods.METHODS.get(name)
        ruled = {
            option
            for base in make.__mro__
            for option in vars(base).get("rules", {})
        }
        for option, default in options_of(name).items():
            assert isinstance(default, str) or option in ruled, (name, option)


def test_a_method_of_ones_own_declares_its_rules():
    @keras.saving.register_keras_serializable(package="settings_test")
    class Mine(methods.DML):
        rules = {"strength": Number(0, 1)}

        def __init__(self, strength=0.5, **kwargs):
            super().__init__(**kwargs)
            self.strength = strength

    assert Mine(0.25).strength == 0.25
    with pytest.raises(UserError, match=r"^strength must be a number from 0"):
        Mine(2)
    with pytest.raises(UserError, match=r"^temperature must be positive"):
        Mine(temperature=0)


def test_the_size_of_a_student():
    distiller = cohort()
    distiller.build((None, 8, 8, 1))
    for shape in ((8, 8), (8, 8, 0), (8, 8, 1.5), 8):
        with pytest.raises(UserError, match=r"^image_shape must be height"):
            distiller.student("network_a", image_shape=shape)
    with pytest.raises(UserError, match=r"^Unknown student '3'"):
        distiller.student(3)


def test_numbers_of_numpy_and_what_changes_are_taken():
    SGD(np.float32(0.1), momentum=np.float64(0.9))
    SGD(steps(milestones=(np.int64(3),)), nesterov=np.True_)
    SGD(lambda: 0.1)
    SGD(0)
    data(seed=np.int64(3), image_size=[8, 8], crop_fraction=np.float32(0.5))
    training(batch_size=np.int64(2))
    methods.KDCL(temperature=np.float32(2), weight=0)
    network(main_branch=np.True_, transformation="none")
