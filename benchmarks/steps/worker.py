"""A process that holds one contender and answers questions about it."""

import multiprocessing
import os
import time
import traceback

from keras_css_runtime.environment import huge_pages
from keras_css_runtime.environment import keep_memory
from keras_css_runtime.environment import set_up_tensorflow

TUNABLES = "GLIBC_TUNABLES"


class Worker:
    """A contender in a process of its own, with a pipe to it.

    Args:
        name: Name of the contender, for messages.
        contender: A `Contender`.
        case: A `Case`.
        folder: Where the common starting weights lie.
    """

    def __init__(self, name, contender, case, folder):
        self.name = name
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        # A spawned process takes the environment as it is now.
        os.environ["KERAS_BACKEND"] = contender.backend
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        set_up_tensorflow()
        # As commands do it for JAX (and keep memory on PyTorch, below).
        tunables = (huge_pages() or {}).get(TUNABLES)
        told = os.environ.get(TUNABLES)
        if tunables and contender.kind == "ours" and contender.backend == "jax":
            os.environ[TUNABLES] = tunables
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
        self.process = context.Process(
            target=serve, args=(theirs, contender, case, folder), daemon=True
        )
        self.process.start()
        theirs.close()
        os.environ.pop(TUNABLES, None)
        if told is not None:
            os.environ[TUNABLES] = told

    def ask(self, question, *arguments):
        """Returns the answer; raises `ContenderError` if it has none."""
        try:
            self.pipe.send((question, arguments))
            ok, answer = self.pipe.recv()
        except (EOFError, BrokenPipeError) as error:
            raise ContenderError("its process died") from error
        if not ok:
            raise ContenderError(answer)
        return answer

    def close(self):
        self.pipe.close()
        self.process.join(10)
        self.process.kill()


class ContenderError(RuntimeError):
    """A contender that does not work here; its last line says why."""


def serve(pipe, contender, case, folder):
    """Answers until the pipe closes. The first question must be `begin`."""
    made = None
    while True:
        try:
            question, arguments = pipe.recv()
        except EOFError:
            return
        try:
            begun = time.perf_counter()
            if question == "begin":
                from steps.contenders import KINDS

                if contender.kind == "ours" and contender.backend == "torch":
                    keep_memory()
                made = KINDS[contender.kind](contender, case, folder)
                answer = time.perf_counter() - begun
            else:
                answer = getattr(made, question)(*arguments)
            pipe.send((True, answer))
        except Exception as error:
            traceback.print_exc()
            lines = f"{type(error).__name__}: {error}".splitlines()
            pipe.send((False, lines[0]))
