"""What the recipes for photographs of much the same thing have in common.

In full, MobileNetV2 at 224 pixels begins with the weights published for
ImageNet, which Keras downloads once (`--weights_a none --weights_b none` for
none): trunk and tails learn at a tenth of the heads' rate, parts of at least a
third of the picture are scaled to full size. Shrunk, ResNet-14 learns from
nothing at 64 pixels, with the schedule squeezed into a few epochs.
"""

SETTINGS = {
    "method": "css",
    "method_options": {"variant": "main_branch"},
    "network_a": "applications:MobileNetV2@block_13_expand_relu",
    "network_b": "applications:MobileNetV2@block_13_expand_relu",
    "weights_a": "imagenet",
    "weights_b": "imagenet",
    "pretrained_rate": 0.1,
    "image_size": (224, 224),
    "crop_fraction": 0.875,
    "crop_padding": 0,
    "random_resized_crop": 0.33,
    "horizontal_flip": True,
    "color_jitter": 0.2,
    "epochs": 60,
    "batch_size": 32,
    "learning_rate": 0.05,
    "weight_decay": 1e-4,
    "warmup_epochs": 2,
    "lr_milestones": (30, 45),
}
SHRUNK = {
    "network_a": "resnet14",
    "network_b": "resnet14",
    "weights_a": None,
    "weights_b": None,
    "pretrained_rate": 1.0,
    "image_size": (64, 64),
    "color_jitter": 0.0,
    "epochs": 4,
    "warmup_epochs": 0,
    "lr_milestones": (3, 4),
    "weight_decay": 5e-4,
}
