"""Random changes: what they do, and that backends do the same."""

import pathlib

import keras
import numpy as np
import pytest

from keras_css.data.augmentation import Augmentation
from keras_css.data.augmentation import ColorJitter
from keras_css.data.augmentation import Cutout
from keras_css.data.augmentation import HorizontalFlip
from keras_css.data.augmentation import Mixing
from keras_css.data.augmentation import PadAndCrop
from keras_css.data.augmentation import RandAugment
from keras_css.data.augmentation import RandomResizedCrop

# Written by the TensorFlow backend: `python tests/data/test_augmentation.py`.
STORED = pathlib.Path(__file__).parent / "augmented.npz"
TRANSFORMS = {
    "pad_and_crop": PadAndCrop(2),
    "random_crop": PadAndCrop(0, (6, 5)),
    "random_resized_crop": RandomResizedCrop((7, 6), 0.2),
    "horizontal_flip": HorizontalFlip(),
    "color_jitter": ColorJitter(0.4, 0.4, 0.4, 0.2),
    "cutout": Cutout(4),
    "rand_augment": RandAugment(2, 9.0),
}


def images(count=24, size=(8, 9), channels=3):
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (count, 3, 3, channels))
    rows = np.linspace(0, 2, size[0]).round().astype(int)
    columns = np.linspace(0, 2, size[1]).round().astype(int)
    return coarse[:, rows][:, :, columns].astype("uint8")


def apply(transform, pixels, seed=1):
    layer = Augmentation([transform])
    rng = np.random.default_rng(seed)
    draws = rng.random((len(pixels), layer.num_draws), "float32")
    changed = layer(pixels, draws=draws, training=True)
    return keras.ops.convert_to_numpy(changed), draws


@pytest.mark.parametrize("name", TRANSFORMS)
def test_backends_change_images_alike(name):
    found, _ = apply(TRANSFORMS[name], images())
    with np.load(STORED) as stored:
        np.testing.assert_allclose(found, stored[name], atol=5e-3)
    assert found.min() >= 0 and found.max() <= 255


def test_pad_and_crop_shifts_each_image_by_whole_pixels():
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 255, (64, 6, 7, 2), "uint8")
    found, draws = apply(PadAndCrop(2), pixels)
    padded = np.pad(pixels, [(0, 0), (2, 2), (2, 2), (0, 0)])
    top, left = np.floor(draws.T * 5).astype(int)
    expected = [
        source[i : i + 6, j : j + 7] for source, i, j in zip(padded, top, left)
    ]
    np.testing.assert_array_equal(found, expected)
    assert len(set(zip(top, left))) > 15


def test_a_random_crop_is_a_part_of_the_image():
    pixels = np.random.default_rng(0).integers(0, 255, (64, 6, 7, 1), "uint8")
    found, draws = apply(PadAndCrop(0, (4, 4)), pixels)
    top = np.floor(draws[:, 0] * 3).astype(int)
    left = np.floor(draws[:, 1] * 4).astype(int)
    expected = [
        source[i : i + 4, j : j + 4] for source, i, j in zip(pixels, top, left)
    ]
    np.testing.assert_array_equal(found, expected)


def test_flip_mirrors_about_half_of_the_images():
    pixels = np.arange(200 * 16, dtype="float32").reshape(200, 4, 4, 1)
    found, _ = apply(HorizontalFlip(), pixels)
    mirrored = (found == pixels[:, :, ::-1]).all(axis=(1, 2, 3))
    kept = (found == pixels).all(axis=(1, 2, 3))
    assert (mirrored ^ kept).all()
    assert 60 < mirrored.sum() < 140


@pytest.mark.parametrize("count", [1, 24])
def test_neighbouring_picks_do_what_they_do_one_by_one(count):
    pixels = images()
    steps = [PadAndCrop(2), HorizontalFlip(), PadAndCrop(1, (6, 7))]
    layer = Augmentation(steps)
    pixels = pixels[:count]
    draws = np.random.default_rng(3).random((count, 5), "float32")
    found = layer(pixels, draws=draws, training=True)
    expected = pixels
    for step, part in zip(steps, np.split(draws, [2, 3], axis=1)):
        expected = step(expected, part)
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(found), keras.ops.convert_to_numpy(expected)
    )


def test_a_resized_crop_of_the_whole_is_the_image():
    pixels = images()
    layer = RandomResizedCrop((8, 9), 1.0, aspect=1.0)
    found, _ = apply(layer, pixels)
    np.testing.assert_allclose(found, pixels, atol=1e-3)


def test_a_resized_crop_of_a_ramp_is_a_ramp_of_the_window():
    ramp = np.broadcast_to(
        np.arange(32.0)[None, :, None, None], (50, 32, 32, 1)
    )
    found, draws = apply(RandomResizedCrop((8, 8), 0.3), ramp)
    area = 0.3 + 0.7 * draws[:, 0]
    ratio = (4 / 3) ** (2 * draws[:, 1] - 1)
    high = np.minimum(np.sqrt(area / ratio), 1) * 32
    first = draws[:, 2] * (32 - high) + high / 16 - 0.5
    np.testing.assert_allclose(
        found[:, 3, 4, 0], first + 3 * high / 8, atol=0.05
    )


def test_cutout_hides_a_square_under_the_mean():
    pixels = images(size=(16, 16))
    found, draws = apply(Cutout(6), pixels)
    for image, source, (y, x) in zip(found, pixels, draws):
        top, left = int(y * 16) - 3, int(x * 16) - 3
        expected = source.astype("float32")
        rows = slice(max(top, 0), top + 6)
        columns = slice(max(left, 0), left + 6)
        expected[rows, columns] = source.mean(axis=(0, 1))
        np.testing.assert_allclose(image, expected, atol=0.01)


def test_color_jitter_without_strength_changes_nothing():
    pixels = images()
    found, _ = apply(ColorJitter(0, 0, 0, 1e-9), pixels)
    np.testing.assert_allclose(found, pixels, atol=0.4)
    grey, _ = apply(ColorJitter(0.4, 0.4, 0.4, 0.2), images(channels=1))
    assert grey.shape == (24, 8, 9, 1)


def test_every_change_of_rand_augment_is_carried_out():
    """Each of the twelve, chosen by the first draw alone."""
    pixels = images(1, size=(16, 16))
    layer = Augmentation([RandAugment(1, 8.0)])
    results = []
    for which in range(12):
        draws = np.array([[(which + 0.5) / 12, 0.9]], "float32")
        changed = layer(pixels, draws=draws, training=True)
        results.append(keras.ops.convert_to_numpy(changed)[0])
    np.testing.assert_allclose(results[0], pixels[0], atol=1e-3)
    for i, one in enumerate(results):
        for other in results[:i]:
            assert np.abs(one - other).max() > 1


def test_nothing_is_changed_in_inference():
    layer = Augmentation(list(TRANSFORMS.values()))
    pixels = images()
    found = layer(pixels, draws=np.zeros((24, layer.num_draws)))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(found), pixels)
    again = Augmentation.from_config(layer.get_config())
    assert again.transforms == layer.transforms


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_mixup_blends_neighbours_by_a_beta_share(alpha):
    from scipy.stats import beta
    from scipy.stats import kstest

    layer = Mixing(mixup=alpha)
    pixels = images(4).astype("float32")
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(150):
        draws = rng.random((4, 4), "float32")
        mixed, share = layer(pixels, draws=draws)
        shares.append(float(share))
    assert kstest(shares, beta(alpha, alpha).cdf).pvalue > 0.01
    own = shares[-1]
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(mixed),
        own * pixels + (1 - own) * np.roll(pixels, 1, axis=0),
        atol=1e-3,
    )


def test_cutmix_pastes_a_box_and_counts_its_pixels():
    layer = Mixing(cutmix=1.0)
    pixels = np.zeros((2, 20, 30, 1), "float32")
    pixels[1] = 1
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(50):
        draws = rng.random((2, 4), "float32")
        mixed, share = layer(pixels, draws=draws)
        mixed = keras.ops.convert_to_numpy(mixed)
        assert 1 - mixed[0].mean() == pytest.approx(float(share), abs=1e-6)
        assert mixed[1].mean() == pytest.approx(float(share), abs=1e-6)
        shares.append(float(share))
    assert min(shares) < 0.3 and max(shares) > 0.8


if __name__ == "__main__":
    np.savez_compressed(
        STORED, **{n: apply(t, images())[0] for n, t in TRANSFORMS.items()}
    )
