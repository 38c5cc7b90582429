"""CSS and its baseline side by side on scikit-learn's digits.

Trains two networks with CSS, then the same two networks independently (plain
heads, no transformation: what one would train without this project), and
prints both. Ships the best student of CSS as ONNX, measures it and classifies a
few held-out digits. Takes some minutes on two CPU cores. Example:

  python scripts/demo.py --backend jax
"""

from absl import flags

from keras_css_cli.command import say
from keras_css_cli.command import use_backend

FLAGS = flags.FLAGS

flags.DEFINE_string("backend", None, "Keras backend: tensorflow, jax or torch.")
flags.DEFINE_integer("epochs", None, "Epochs of each training.")
flags.DEFINE_integer("seed", 0, "Of weights, order, augmentation and split.")
flags.DEFINE_string("out_dir", "runs", "Folder for the two run folders.")


def run():
    """Trains twice and prints both."""
    use_backend(FLAGS.backend)

    from keras_css.evaluation.lines import comparison_lines
    from keras_css.evaluation.lines import summary_text
    from keras_css.runs import RunConfig
    from keras_css.runs import train
    from keras_css.runs.folder import new_run_dir

    results, run_dirs = [], []
    for method in ("css", "independent"):
        config = RunConfig(
            dataset="digits",
            method=method,
            epochs=FLAGS.epochs,
            seed=FLAGS.seed,
        )
        run_dir = new_run_dir(FLAGS.out_dir, f"digits-{method}")
        print(f"\n== {method}", flush=True)
        result = train(config, run_dir, say=say)
        print(f"\n{summary_text(result, run_dir)}", flush=True)
        results.append(result)
        run_dirs.append(run_dir)
    print("\n== test accuracy side by side (last epoch, one seed)")
    print("\n".join(comparison_lines(results)), flush=True)
    _ship(run_dirs[0])


def _ship(run_dir):
    """Exports the best student of a run, measures it and lets it predict."""
    from keras_css.data import load_dataset
    from keras_css.deploy import OnnxClassifier
    from keras_css.deploy import export_run
    from keras_css.deploy.benchmark_run import benchmark_file
    from keras_css.deploy.benchmark_run import measure_students
    from keras_css.deploy.report import export_lines

    print("\n== the best student of css as an ONNX file", flush=True)
    reports, refused = export_run(run_dir, say=say)
    if refused:
        raise next(iter(refused.values()))
    (path,) = reports
    print("\n".join(export_lines(reports, measure_students([path]))))
    print("\n== its latency", flush=True)
    lines = benchmark_file(path, batch_sizes=(1, 32), seconds=1.0, say=say)
    print("\n".join(lines))
    print("\n== a few held-out digits")
    test = load_dataset("digits", say=say).test
    names, probabilities = OnnxClassifier(path)(test.images[:10])
    for label, name, row in zip(test.labels, names, probabilities):
        print(f"a {label} is taken for a {name} ({row.max():.3f})")
