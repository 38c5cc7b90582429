"""Does CSS on rotated images beat plain training that costs the same?

Hypothesis: where plain training fits its images and leaves a gap, joint labels
of class and rotation, distilled into a plain branch, make a student of plain
cost at least two points better than plain training of equal compute; corners
of features less; label smoothing and CutMix bring part of that to plain
training.
Data: 20 classes of CIFAR-100, 50 training images each, scaled to 16x16; all
2,000 test images of these classes.
Budget: what CSS on rotated images costs in 240 epochs; every method gets as
many epochs as cost the same. Decided on validation, reported on test, last
epoch, differences paired by seed.
Hours: about 12 on one processor core for ten methods and five seeds.
Command: python scripts/compare.py --study small_images --backend tensorflow
    --dataset cifar100=cifar-100-python --out_dir results/small_images
"""

BUDGET = "compute"
SEEDS = (0, 1, 2, 3, 4)
METHODS = ("independent", "css:transformation=rotation")
SETTINGS = {
    "dataset": "cifar100",
    "first_classes": 20,
    "per_class": 50,
    "image_size": (16, 16),
    "network_a": "resnet20",
    "epochs": 240,
    "batch_size": 32,
    "learning_rate": 0.05,
    "weight_decay": 5e-4,
    "warmup_epochs": 5,
    "crop_padding": 2,
    "horizontal_flip": True,
}
