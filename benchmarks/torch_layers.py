"""`torch.nn.LSTM` and `GRU` in a process of their own, run on request.

    python -m benchmarks.torch_layers LSTM '[64, 128, 128, 256]' 1 0

answers every line on its standard input with one on its output, after one
forward pass (0) or training step (1), in one direction (0) or both (1).
"""

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import weakref


def installed():
    """Return whether torch is installed."""
    return importlib.util.find_spec("torch") is not None


def version():
    """Return the version of torch by its name, if it is installed."""
    return {"torch": importlib.metadata.version("torch")} if installed() else {}


def process(kind, shape, training, bidirectional):
    """Start a process; returns a function that has it run once.

    Args:
        kind: `"LSTM"` or `"GRU"`.
        shape: Batch, steps, inputs and units.
        training: Whether to take a training step.
        bidirectional: Whether to run in both directions.

    The process ends when the function is forgotten.
    """
    command = [sys.executable, "-m", __spec__.name, kind, json.dumps(shape)]
    child = subprocess.Popen(
        [*command, str(int(training)), str(int(bidirectional))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Its threads would else wait busily beside those of TensorFlow.
        env={**os.environ, "OMP_WAIT_POLICY": "PASSIVE"},
    )

    def run():
        child.stdin.write(b"\n")
        child.stdin.flush()
        if not child.stdout.readline():
            raise RuntimeError("The process of torch has ended.")

    weakref.finalize(run, end, child)
    return run


def end(child):
    """End a process."""
    child.stdin.close()
    child.wait()
    child.stdout.close()


def serve(kind, shape, training, bidirectional):
    """Run a layer once for every line on the standard input."""
    import torch

    on_gpu = torch.cuda.is_available()
    torch.set_default_device("cuda" if on_gpu else "cpu")
    batch, steps, inputs, units = shape
    layer = getattr(torch.nn, kind)(
        inputs, units, batch_first=True, bidirectional=bidirectional
    )
    x = torch.randn((batch, steps, inputs), requires_grad=training)
    for _ in sys.stdin:
        if training:
            layer.zero_grad()
            x.grad = None
            (layer(x)[0] ** 2).sum().backward()
        else:
            with torch.no_grad():
                layer(x)
        if on_gpu:
            torch.cuda.synchronize()
        print(flush=True)


if __name__ == "__main__":
    name, sizes, *flags = sys.argv[1:]
    serve(name, json.loads(sizes), *(flag == "1" for flag in flags))
