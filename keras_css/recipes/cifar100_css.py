"""CSS on CIFAR-100 with the reference recipe: ResNet-110 and ResNet-56.

Claim: the authors' networks and schedule (300 epochs, rate 0.1 with five
epochs of warm-up, a tenth from 150 and from 225 on), loss as they released it.
Command: python scripts/train.py --recipe cifar100_css
    [--data_dir cifar-100-python]
Time: not measured in full (needs a GPU); shrunk, about ten minutes on two
processor cores.
Number: none of ours yet. A small piece of CIFAR-100, where CSS stays behind
plain training, is in results/.
"""

SETTINGS = {
    "dataset": "cifar100",
    "method": "css",
    "method_options": {"variant": "released"},
    "network_a": "resnet110_bottleneck",
    "network_b": "resnet56_bottleneck",
    "epochs": 300,
    "batch_size": 128,
    "learning_rate": 0.1,
    "weight_decay": 5e-4,
    "warmup_epochs": 5,
    "lr_milestones": (150, 225),
    "crop_padding": 4,
    "horizontal_flip": True,
}
SHRUNK = {
    "network_a": "resnet8",
    "network_b": "resnet8",
    "image_size": (16, 16),
    "epochs": 3,
    "batch_size": 64,
    "learning_rate": 0.05,
    "warmup_epochs": 0,
    "lr_milestones": (2, 3),
    "crop_padding": 2,
}
