"""CSS and its baseline side by side on scikit-learn's digits.

Trains two networks with CSS, then the same two networks independently (plain
heads, no transformation: what one would train without this project), and
prints both. Takes a minute or two on two CPU cores. Example:

  python scripts/demo.py --backend jax
"""

from absl import flags

from keras_css_cli.command import use_backend

FLAGS = flags.FLAGS

flags.DEFINE_string("backend", None, "Keras backend: tensorflow, jax or torch.")
flags.DEFINE_integer("epochs", None, "Epochs of each training.")
flags.DEFINE_integer("seed", 0, "Of weights, order, augmentation and split.")
flags.DEFINE_string("out_dir", "runs", "Folder for the two run folders.")


def run():
    """Trains twice and prints both."""
    use_backend(FLAGS.backend)

    from keras_css.evaluation.report import comparison_lines
    from keras_css.evaluation.report import summary_text
    from keras_css.runs import RunConfig
    from keras_css.runs import train
    from keras_css.runs.folder import new_run_dir

    results = []
    for method in ("css", "independent"):
        config = RunConfig(
            dataset="digits",
            method=method,
            epochs=FLAGS.epochs,
            seed=FLAGS.seed,
        )
        run_dir = new_run_dir(FLAGS.out_dir, f"digits-{method}")
        print(f"\n== {method}", flush=True)
        result = train(config, run_dir, say=lambda s: print(s, flush=True))
        print(f"\n{summary_text(result, run_dir)}", flush=True)
        results.append(result)
    print("\n== test accuracy side by side (last epoch, one seed)")
    print("\n".join(comparison_lines(results)))
