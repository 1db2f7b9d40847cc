"""Greedy decoding of the networks in `onnx/`: onnxruntime and numpy alone."""

import json
from pathlib import Path

import numpy as np
import onnxruntime


def greedy(folder, prompt=None, length=0, **inputs):
    """Return the likeliest tokens `(rows, length)`, zeros behind the end."""
    about = json.loads(Path(folder, "signature.json").read_text("utf-8"))
    settings, sessions = about["settings"], {}
    for name, network in about["networks"].items():
        path = Path(folder, network["file"])
        sessions[name] = onnxruntime.InferenceSession(path)

    def ask(name, feed):
        names = [each.name for each in sessions[name].get_inputs()]
        outputs = [each.name for each in sessions[name].get_outputs()]
        values = sessions[name].run(outputs, {n: feed[n] for n in names})
        return dict(zip(outputs, values, strict=True))

    if prompt is None:  # there is an encoder, whose inputs these are
        state = ask("encoder", inputs)
        prompt = np.full((len(state["state_0"]), 1), settings["begin"])
    else:
        state = {}
        for each in about["networks"]["step"]["inputs"]:
            if "initial" in each:
                first = np.float32(each["initial"])
                shape = len(prompt), each["shape"][1]
                state[each["name"]] = np.full(shape, first)
    reading, written = [*prompt.T.astype(np.int32)], []
    done = np.zeros(len(prompt), bool)
    while len(written) < (length or settings["length"]) and not done.all():
        tokens = reading.pop(0) if reading else written[-1]
        state |= ask("step", {**state, "tokens": tokens})
        state |= {n[5:]: v for n, v in state.items() if n.startswith("next_")}
        if reading:
            continue
        logits = state["logits"]
        logits[:, settings["never"]] = -np.inf
        if len(written) < settings["shortest"]:
            logits[:, settings["end"]] = -np.inf
        likeliest = np.where(done, 0, logits.argmax(axis=1)).astype(np.int32)
        written.append(likeliest)
        done |= likeliest == settings["end"]
    return np.stack(written, axis=1)
