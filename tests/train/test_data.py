"""Training samples: which frames, how augmented, and errors while they are read."""

from __future__ import annotations

import itertools
import os
import signal
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset

from colormnet_cli.errors import MediaError, TrainingError, UsageError
from colormnet_cli.train.data import FilmClips, batches, training_data
from colormnet_cli.train.distributed import Distributed
from colormnet_cli.train.film_frames import Film
from colormnet_cli.train.loop import _Run, train
from colormnet_cli.train.train_settings import TrainSettings
from support.networks import small_config
from support.training import SMALL, make_frames

SETTINGS = TrainSettings(
    network=small_config(), data=("x",), frames=4, crops=((0.0, 48),), jumps=((0.0, 3),), steps=10, batch=1,
    plain_share=0.5, freeze_transformer=False,
)  # fmt: skip


@pytest.mark.parametrize("workers", [0, 1])
def test_a_frame_that_cannot_be_read_is_reported_in_one_sentence(tmp_path, workers):
    """From a worker process it would come as a traceback."""
    frames = sorted(make_frames(tmp_path / "a", 6).iterdir())
    for frame in frames:
        frame.write_bytes(b"not an image")
    clips = FilmClips([Film("a", tuple(frames))], SETTINGS.with_overrides(workers=workers))
    with pytest.raises(MediaError) as error:
        next(batches(clips, clips.settings, step=0))
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_frames_of_different_sizes_are_reported(tmp_path):
    """Crops would show different parts of the frames, as if the film had moved there."""
    frames = sorted(make_frames(tmp_path / "a", 3).iterdir()) + sorted(
        make_frames(tmp_path / "b", 3, size=(30, 40)).iterdir()
    )
    with pytest.raises(MediaError, match=r"is 80×60 and .* is 40×30|is 40×30 and .* is 80×60"):
        FilmClips([Film("a", tuple(frames))], SETTINGS.with_overrides(jumps=((0.0, 1),), frames=6))[0]


def red(lab):
    """How red each frame of make_frames is: the redder, the later."""
    return [float(frame[1].mean()) for frame in lab]


def test_frames_of_a_clip_are_in_order_or_reversed(tmp_path):
    """The network would be trained on orders of frames that films do not have."""
    film = Film("a", tuple(sorted(make_frames(tmp_path / "a", 30).iterdir())))
    clips = FilmClips([film], SETTINGS)
    forward = 0
    for k in range(24):
        lab, picks = clips[k]
        assert lab.shape == (4, 3, 48, 48)
        assert picks.shape == (4, 3)
        order = red(clips[k + 5][0])  # from the steps without augmentation
        rising = all(a < b for a, b in itertools.pairwise(order))
        falling = all(a > b for a, b in itertools.pairwise(order))
        assert rising or falling
        forward += rising
    assert 5 < forward < 19


def test_a_sample_depends_on_its_number_alone(tmp_path):
    """A resumed run would see other clips than one that was not stopped."""
    films = [Film(n, tuple(sorted(make_frames(tmp_path / n, 9, shade=i).iterdir()))) for i, n in enumerate("ab")]
    first, again = FilmClips(films, SETTINGS), FilmClips(films, SETTINGS)
    again[0]
    assert torch.equal(first[7][0], again[7][0])
    assert not torch.equal(first[7][0], first[8][0])


def test_frames_are_augmented_separately_except_in_the_last_steps(tmp_path):
    """The published schedule, which ends without augmentation, would not be followed."""
    folder = make_frames(tmp_path / "a", 1)
    film = Film("a", tuple(folder.iterdir()) * 6)  # the same frame again and again
    clips = FilmClips([film], SETTINGS)
    moved, still = clips[0][0], clips[7][0]
    assert (moved[0] - moved[1]).abs().mean() > 1
    assert torch.equal(still[0], still[1])


def test_validation_clips_are_the_middle_of_first_frames(tmp_path):
    """Validation would measure distorted images, or frames that are trained on."""
    make_frames(tmp_path / "a", 30)
    make_frames(tmp_path / "b", 30, shade=1)
    settings = SETTINGS.with_overrides(data=(str(tmp_path),), validation_share=0.5)
    data = training_data(settings, tmp_path / "unpacked")
    assert [lab.shape for lab in data.validation] == [(24, 3, 48, 48)]
    assert len(data.training.films) == 1
    order = red(data.validation[0])
    assert order == sorted(order)


def test_a_short_run_is_augmented_too():
    """A fine-tuning of 200 steps would have no augmentation, as the paper's last 10,000 steps have none."""
    film = [Film("a", ())]
    full, short = TrainSettings(data=("x",)), TrainSettings(data=("x",), steps=200)
    augmented = [
        [FilmClips(film, s).augments(step) for step in (0, at - 1, at)] for s, at in ((full, 150_000), (short, 188))
    ]
    assert augmented == [[True, True, False]] * 2


class _Killed(Dataset[Any]):
    """Its worker process is killed, as by the system when memory runs out."""

    def __getitem__(self, k: int) -> Any:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_reported():
    """In a container with a small /dev/shm, a run ended with PyTorch's "exited unexpectedly"."""
    with pytest.raises(TrainingError, match="fewer workers"):
        next(batches(_Killed(), SMALL.with_overrides(workers=1), step=0))


@pytest.mark.parametrize(("accumulate", "world_size"), [(1, 2), (3, 2), (2, 1)])
def test_each_sample_is_used_once(accumulate, world_size):
    """Several processes, or parts, would train on some clips twice and on others never."""

    class Numbers(Dataset[Any]):
        def __getitem__(self, k: int) -> Any:
            return torch.tensor(k), torch.tensor(k)

    settings = SMALL.with_overrides(batch=6, accumulate=accumulate, steps=5)
    processes = [
        list(batches(Numbers(), settings, step=2, rank=rank, world_size=world_size)) for rank in range(world_size)
    ]
    assert all(len(parts) == 3 * accumulate for parts in processes)
    for step in range(3):
        parts = [part for process in processes for part in process[step * accumulate : (step + 1) * accumulate]]
        assert sorted(torch.cat([numbers for numbers, _ in parts]).tolist()) == list(
            range(12 + 6 * step, 18 + 6 * step)
        )


def test_a_batch_that_cannot_be_divided_is_reported_before_data_is_read(tmp_path):
    """Hours of video were unpacked before."""
    settings = SMALL.with_overrides(batch=3, synthetic=False, data=(str(tmp_path / "gone"),))
    with pytest.raises(UsageError, match="batch of 3 cannot be divided between 2"):
        _Run(settings, tmp_path / "run", torch.device("cpu"), Distributed(0, 2, 0), False)


def test_some_data_must_be_given(tmp_path):
    """A run without data would end in a traceback."""
    for settings in (SMALL.with_overrides(synthetic=False), SMALL.with_overrides(data=("film.mp4",))):
        with pytest.raises(UsageError, match=r"either data.* or synthetic"):
            train(settings, tmp_path)


def test_a_mistake_in_the_data_leaves_no_folder(tmp_path):
    """Each mistyped path would leave an empty folder."""
    with pytest.raises(MediaError, match="gone"):
        train(SMALL.with_overrides(synthetic=False, data=(str(tmp_path / "gone"),)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
