"""Opening an ONNX file in onnxruntime, on the provider that was asked for."""

import pathlib

import onnxruntime as ort

from keras_css_runtime.errors import UserError

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
SILENT = 4


def open_session(path, provider="cpu", threads=None):
    """Returns a session on one provider, or refuses.

    onnxruntime-gpu lists CUDA on machines that have none and falls back to
    the CPU with a line on standard error; here the session itself is asked.

    Args:
        path: Path of the ONNX file.
        provider: `"cpu"`, `"cuda"` or `"tensorrt"`.
        threads: Threads of one operator; None for onnxruntime's choice.

    Returns:
        An `onnxruntime.InferenceSession`.

    Raises:
        UserError: If the file is missing or damaged, or the provider is
            unknown or does not run here.
    """
    if provider not in PROVIDERS:
        raise UserError(
            f"The provider must be one of {', '.join(PROVIDERS)}, received "
            f"'{provider}'."
        )
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"'{path}' must be an ONNX file, but there is none.")
    wanted = PROVIDERS[provider]
    session = None
    if wanted in ort.get_available_providers():
        try:
            session = _open(path, wanted, threads)
        except Exception as error:
            # onnxruntime has no common error class; a file that opens on the
            # CPU is whole, so that then the provider is to blame.
            if provider == "cpu" or not _opens_on_cpu(path):
                raise UserError(
                    f"'{path}' must be an ONNX file that onnxruntime can run, "
                    f"but is damaged or something else: {_first_line(error)}"
                ) from error
    if session is None or session.get_providers()[0] != wanted:
        raise UserError(
            f"Provider '{provider}' must run on this machine, but "
            f"onnxruntime {ort.__version__} cannot start it: check the driver "
            "and its libraries, or use --provider cpu."
        )
    return session


def _open(path, provider, threads):
    options = ort.SessionOptions()
    options.log_severity_level = SILENT
    # Idle threads do not spin: they would disturb whatever runs next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if threads:
        options.intra_op_num_threads = threads
    session = ort.InferenceSession(path, options, providers=[provider])
    session.disable_fallback()
    return session


def _opens_on_cpu(path):
    try:
        _open(path, PROVIDERS["cpu"], None)
    except Exception:
        return False
    return True


def _first_line(error):
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
