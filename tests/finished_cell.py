"""The least that the files of a finished cell must hold."""

ACCURACY = {"network_a": 0.5}
RESULT = {
    "validation": ACCURACY,
    "test": ACCURACY,
    "best_student": "network_a",
    "selected_epoch": {"epoch": 1, "validation": ACCURACY, "test": ACCURACY},
    "student_parameters": {"network_a": 10},
    "seconds": {"total": 1.0},
}
CONFIG = {
    "config": {
        **{"epochs": 1, "batch_size": 8, "learning_rate": 0.1},
        **{"branches": 1, "transformation": "none", "joint_labels": False},
        **{"network_a": "resnet8", "network_b": "none"},
        **{"network_c": "none", "network_d": "none"},
    },
    "backend": "torch",
    "data": {
        **{"class_names": ["ant", "bee"], "image_shape": [8, 8, 1]},
        **{"training_images": 8, "validation_images": 2, "test_images": 2},
    },
    "versions": {"keras": "3"},
    "date": "2026-01-01",
    "machine": {"processor": "x", "cores": 2, "gpu": None, "system": "Linux"},
}
