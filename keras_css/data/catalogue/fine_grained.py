"""What suits the sets of photographs of much the same thing."""

from keras_css.data.dataset import Recipe

# Small networks, trained from nothing: 64 pixels cut out of 72.
RECIPE = Recipe(
    batch_size=64,
    learning_rate=0.05,
    image_size=(64, 64),
    crop_fraction=0.875,
    crop_padding=0,
    random_resized_crop=0.35,
)
