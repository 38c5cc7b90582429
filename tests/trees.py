"""Small data sets in every layout, made of pictures that are all different."""

import csv
import pathlib
import pickle

import numpy as np
from PIL import Image

CLASSES = ("ant", "bee", "cat eye")


def picture(path, seed, size=(12, 10)):
    """Writes a picture of noise, `size` is (width, height)."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 255, (size[1], size[0], 3), "uint8")
    Image.fromarray(pixels).save(path)
    return path


def class_folders(root, counts):
    """Writes `root/<part>/<class>/<n>.png`; counts is a dict by part."""
    seed = 0
    for part, count in counts.items():
        for name in CLASSES:
            for i in range(count):
                seed += 1
                picture(root / part / name / f"{i}.png", seed)
    return root


def csv_list(root, rows):
    """Writes `root/list.csv` and the pictures it names."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / "list.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "label", "split"])
        for i, (name, label, part) in enumerate(rows):
            picture(root / name, i)
            writer.writerow([name, label, part])
    return root / "list.csv"


def cub(root):
    """Writes the tree of CUB-200-2011 with ids that are not contiguous."""
    place = root / "CUB_200_2011"
    names = {3: "003.Sooty_Albatross", 9: "009.Brewer_Blackbird"}
    lists = {
        key: []
        for key in (
            *("images", "image_class_labels", "train_test_split"),
            *("bounding_boxes", "classes"),
        )
    }
    for number, name in names.items():
        lists["classes"].append(f"{number} {name}")
        for i in range(6):
            key = number * 10 + i
            picture(place / "images" / name / f"bird {i}.jpg", key, (20, 16))
            lists["images"].append(f"{key} {name}/bird {i}.jpg")
            lists["image_class_labels"].append(f"{key} {number}")
            lists["train_test_split"].append(f"{key} {int(i < 4)}")
            lists["bounding_boxes"].append(f"{key} 2.0 3.0 10.0 8.0")
    for name, lines in lists.items():
        (place / f"{name}.txt").write_text("\n".join(lines) + "\n")
    return root


def stanford_dogs(root, boxes=True):
    """Writes the tree of Stanford Dogs, two breeds."""
    from scipy.io import savemat

    rows = {"train": [], "test": []}
    for label, breed in ((7, "n02-toy_terrier"), (3, "n01-Maltese_dog")):
        for i in range(5):
            name = f"{breed}/{breed[:3]}_{i}"
            picture(root / "Images" / f"{name}.jpg", label * 10 + i)
            rows["train" if i < 3 else "test"].append((f"{name}.jpg", label))
            if boxes:
                place = root / "Annotation" / name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(
                    "<annotation><object><bndbox><xmin>1</xmin><ymin>2</ymin>"
                    "<xmax>9</xmax><ymax>8</ymax></bndbox></object></annotation>"
                )
    (root / "lists").mkdir()
    for part, found in rows.items():
        files = np.array([[name] for name, _ in found], object)
        labels = np.array([[label] for _, label in found], "uint8")
        savemat(
            root / "lists" / f"{part}_list.mat",
            {"file_list": files, "labels": labels},
        )
    return root


def stanford_cars(root, test=True):
    """Writes the tree of Stanford Cars, classes 2 and 4 of 4."""
    from scipy.io import savemat

    kind = [(name, "O") for name in ("bbox_x1", "bbox_y1", "bbox_x2")]
    kind += [(name, "O") for name in ("bbox_y2", "class", "fname")]
    (root / "devkit").mkdir(parents=True)
    parts = {"train": "cars_train_annos.mat"}
    if test:
        parts["test"] = "cars_test_annos_withlabels.mat"
    for seed, (part, name) in enumerate(parts.items()):
        rows = []
        for i in range(10):
            file = f"{i:05d}.jpg"
            picture(root / f"cars_{part}" / file, seed * 100 + i)
            rows.append((2, 2, 9, 9, 2 + 2 * (i % 2), file))
        savemat(
            root / "devkit" / name,
            {"annotations": np.array([rows], kind)},
        )
    names = np.array([["Audi", "BMW", "Fiat", "Opel Blitz"]], object)
    savemat(root / "devkit" / "cars_meta.mat", {"class_names": names})
    return root


def cifar100(root, extra=None):
    """Writes the pickles of CIFAR-100 as Python 2 wrote them, three classes."""
    place = root / "cifar-100-python"
    place.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part, count in (("train", 12), ("test", 6)):
        batch = {
            b"data": rng.integers(0, 255, (count, 3072), "uint8"),
            b"fine_labels": [i % 3 for i in range(count)],
            b"coarse_labels": [0] * count,
            **(extra or {}),
        }
        (place / part).write_bytes(pickle.dumps(batch, protocol=2))
    names = [name.encode() for name in CLASSES]
    (place / "meta").write_bytes(
        pickle.dumps({b"fine_label_names": names}, protocol=2)
    )
    return root


def cifar10(root):
    """Writes the pickles of CIFAR-10, ten classes."""
    place = root / "cifar-10-batches-py"
    place.mkdir(parents=True)
    rng = np.random.default_rng(0)
    files = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for name in files:
        batch = {
            b"data": rng.integers(0, 255, (20, 3072), "uint8"),
            b"labels": [i % 10 for i in range(20)],
        }
        (place / name).write_bytes(pickle.dumps(batch, protocol=2))
    names = {b"label_names": [b"c%d" % i for i in range(10)]}
    (place / "batches.meta").write_bytes(pickle.dumps(names, protocol=2))
    return root
