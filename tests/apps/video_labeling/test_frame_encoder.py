"""Pretrained networks as encoders of frames."""

import types
from pathlib import Path

from apps.video_labeling import frame_encoder
from apps.video_labeling.config import Config
from tests.apps.videos import SIDE, write


def test_an_encoder_is_not_checked_on_what_is_no_video(tmp_path):
    one = types.SimpleNamespace(path=Path("ucf101", "train", "000001"))
    data = types.SimpleNamespace(train=types.SimpleNamespace(videos=[one]))
    seen = []
    encoder = types.SimpleNamespace(size=(SIDE, SIDE), check=seen.append)
    frame_encoder.check(encoder, Config(), data)
    assert not seen
    one.path = write(tmp_path / "it.mkv", 20)
    frame_encoder.check(encoder, Config(), data)
    assert seen[0].shape == (frame_encoder.FRAMES, SIDE, SIDE, 3)
