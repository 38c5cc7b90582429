"""Optimizer and schedule as a configuration asks for them."""

import keras
import numpy as np
import pytest
import tiny

from keras_css import SGD
from keras_css import UserError
from keras_css.data import load_dataset
from keras_css.runs import RunConfig
from keras_css.runs.optimizer import build_optimizer
from keras_css.training import WarmupCosine


def test_the_cosine_is_numpys():
    schedule = WarmupCosine(0.2, steps_per_epoch=4, epochs=10, warmup_epochs=2)
    rates = [float(schedule(step)) for step in range(44)]
    rise = 0.2 * np.arange(1, 9) / 8
    fall = 0.1 * (1 + np.cos(np.pi * np.arange(1, 33) / 32))
    expected = [*rise, *fall, *[0] * 4]
    np.testing.assert_allclose(rates, expected, rtol=1e-5, atol=1e-7)
    restored = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(schedule)
    )
    assert restored.get_config() == schedule.get_config()


@pytest.mark.once
def test_settings_make_the_optimizer():
    dataset = load_dataset("digits", say=lambda line: None)

    def made(**settings):
        config = RunConfig(epochs=20, **settings).complete(dataset)
        assert RunConfig.from_json(config.to_json()) == config
        return build_optimizer(config, 30)

    plain = made()
    assert isinstance(plain, SGD)
    assert not plain.nesterov
    assert plain._learning_rate.milestones == (10, 15)
    other = made(nesterov=True, schedule="cosine", weight_decay=5e-3)
    assert other.nesterov
    assert other.coupled_weight_decay == 5e-3
    cosine = other._learning_rate
    assert (cosine.epochs, cosine.warmup_epochs) == (20, 2)
    adamw = made(optimizer="adamw", weight_decay=0.05, learning_rate=1e-3)
    assert isinstance(adamw, keras.optimizers.AdamW)
    assert adamw.weight_decay == 0.05


@pytest.mark.once
@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"optimizer": "adam"}, "--optimizer must be sgd or adamw"),
        ({"schedule": "linear"}, "--schedule must be steps or cosine"),
        ({"optimizer": "adamw", "nesterov": True}, "belong to --optimizer sgd"),
        (
            {"schedule": "cosine", "lr_milestones": (3,)},
            "belong to --schedule steps",
        ),
        ({"steps": 3, "epochs": 2}, "leave one of them out"),
        ({"steps": 0}, "--steps must be a whole number from 1"),
    ],
)
def test_what_does_not_go_together(settings, words):
    with pytest.raises(UserError, match=words):
        RunConfig(**settings)


@pytest.mark.once
def test_steps_become_whole_epochs():
    dataset = load_dataset("digits", say=lambda line: None)
    config = RunConfig(steps=101, batch_size=64).complete(dataset)
    assert (config.epochs, config.steps) == (6, None)
    fading = RunConfig(steps=101, method_options={"ramp_down_epochs": 2})
    assert "run_epochs" not in config.method_options
    assert fading.complete(dataset).method_options["run_epochs"] == 6


def test_adamw_with_a_cosine_trains():
    distiller = tiny.cohort(
        "dml",
        num_branches=1,
        joint_labels=False,
        transformation="none",
        optimizer=keras.optimizers.AdamW(
            WarmupCosine(0.05, 3, epochs=10, warmup_epochs=1), weight_decay=0.01
        ),
    )
    x, y = tiny.images(12)
    history = distiller.fit(x, y, batch_size=4, epochs=10, verbose=0).history
    assert history["loss"][-1] < 0.7 * history["loss"][0]
