"""Exports as a table for a terminal."""


def export_lines(reports, points):
    """Returns what `to_onnx` prints at its end.

    Args:
        reports: Dict from path to the contents of the JSON file beside it.
        points: What `measure_students` returned for these paths.
    """
    lines = [
        f"{'student':<22}{'validation':>11}{'test':>9}{'parameters':>12}"
        f"{'bytes':>11}{'difference':>12}{'ms/image':>10}"
    ]
    for report, point in zip(reports.values(), points):
        accuracy = report["accuracy"]
        cells = [
            f"{accuracy[part]:.4f}" if part in accuracy else "-"
            for part in ("validation", "test")
        ]
        lines.append(
            f"{report['student']:<22}{cells[0]:>11}{cells[1]:>9}"
            f"{report['parameters']:>12,}{report['bytes']:>11,}"
            f"{report['proof']['largest_difference']:>12.1e}"
            f"{point['ms_per_image']:>10.3f}"
        )
    lines.append(
        "(the file itself in onnxruntime on this CPU, one image at a time; "
        "difference: largest against the Keras student in float32)"
    )
    for report in reports.values():
        proof = report["proof"]
        lines.append(
            f"proof of {report['student']}: {proof['images']}, same class in "
            f"{proof['same_top_class']:.2%}"
        )
        others = {
            name: value
            for name, value in report["accuracy"].items()
            if name not in ("validation", "test")
        }
        if others:
            told = ", ".join(f"{n} {value:.4f}" for n, value in others.items())
            lines.append(f"accuracy of {report['student']}: {told}")
        if "float32" in report:
            lines.append(_reduced_line(report))
    lines += [f"file: {path}" for path in reports]
    return lines


def _reduced_line(report):
    changes = ", ".join(
        f"{name} {-report['accuracy_drop'][name]:+.4f} ({changed['lost']} lost "
        f"and {changed['gained']} gained of {changed['images']})"
        for name, changed in report["changed_answers"].items()
    )
    return (
        f"{report['precision']} of {report['student']}: "
        f"{report['size_ratio']:.2f} of the float32 size, accuracy against "
        f"float32: {changes or 'not measured'}"
    )
