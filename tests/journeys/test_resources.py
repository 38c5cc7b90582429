"""What a machine may lack: memory, a network."""

import socket

import keras
import pytest

from keras_css_cli.command import is_out_of_memory


def test_what_a_backend_raises_without_memory_is_recognised():
    with pytest.raises(Exception) as caught:
        found = keras.ops.zeros((2**24, 2**24), "float32")
        keras.ops.convert_to_numpy(found + 1)
    assert is_out_of_memory(caught.value), caught.value
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))


@pytest.mark.once
def test_training_and_measuring_ask_no_network(call, monkeypatch):
    asked = []
    connect = socket.socket.connect

    def refuse(own, address):
        if own.family == socket.AF_UNIX:
            return connect(own, address)
        asked.append(address)
        raise OSError("there is no network")

    def look_up(host, *rest, **options):
        asked.append(host)
        raise OSError("there is no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with pytest.raises(OSError, match="no network"):
        socket.create_connection(("localhost", 9))
    asked.clear()
    network = ("--network_a", "resnet8", "--network_b", "none")
    code, _, said = call(
        *("train", "--dataset", "digits", "--method", "independent"),
        *(*network, "--epochs", "1", "--run_dir", "run"),
    )
    assert code == 0, said
    code, _, said = call("evaluate", "--run_dir", "run")
    assert code == 0, said
    assert asked == []
