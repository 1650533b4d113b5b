"""The model that comes along: what a new user runs first."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F

import colormnet_cli as cm
from colormnet_cli.networks.preview.detail import ExemplarDetail
from colormnet_cli.train import preset, train
from colormnet_cli.train.scenes import SceneKinds, synthetic_clip
from colormnet_cli.weights import read_lock

pytestmark = pytest.mark.usefixtures("one_thread")  # two threads on busy cores wait for each other

STREET = Path(__file__).parents[3] / "examples" / "street.jpg"


@pytest.fixture(scope="module")
def preview(tmp_path_factory):
    """As a user without a network gets it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return cm.load_model("preview")


def colored(model, exemplar, clip, *, first_frame=False):
    """ab [T, 2, H, W] of a clip [T, 3, H, W], from a Lab picture."""
    colorizer = cm.Colorizer(model)
    colorizer.set_exemplar(exemplar, first_frame=first_frame)
    return torch.stack([colorizer.step(frame[:1]) for frame in clip])


def psnr(ab, lab):
    ours, truth = cm.lab_to_rgb(torch.cat((lab[:, :1], ab), dim=1)), cm.lab_to_rgb(lab)
    return float(-10 * (ours - truth).square().mean((1, 2, 3)).log10().mean())


def test_it_is_small_and_has_a_model_card(preview):
    """The package would be heavy, or its model card would describe another file."""
    entry = read_lock()["preview"]
    assert entry.size <= 8e6
    assert entry.license == "Apache-2.0"
    card = (STREET.parents[1] / "docs" / "preview-model.md").read_text()
    assert entry.sha256 in card
    assert f"{sum(parameter.numel() for parameter in preview.parameters()):,} parameters" in card
    assert sum(parameter.numel() for parameter in preview.parameters()) <= 4e6
    assert preview.config == preset("preview").network


def by_lightness(exemplar, clip):
    """ab [T, 2, H, W] as lightness alone tells it: the median of the exemplar's pixels that are as light."""
    steps = torch.linspace(0, 100, 33)
    theirs, ours = (torch.bucketize(L.contiguous(), steps) for L in (exemplar[0], clip[:, 0]))
    known = exemplar[1:].flatten(1)
    alike = [known[:, theirs.flatten() == step] for step in range(34)]
    table = torch.stack([(ab if ab.numel() else known).median(dim=1).values for ab in alike], dim=1)  # (2, 34)
    return table[:, ours].transpose(0, 1)


@pytest.mark.slow
def test_objects_keep_their_colors_in_another_arrangement(preview):
    """An exemplar that is not the first frame, which is what users mostly have, would be of no use."""
    clips = [torch.from_numpy(synthetic_clip(515, index, frames=4, size=128, jump=1, cut=1.0)) for index in range(12)]
    pairs = [(clip[0], clip[1:]) for clip in clips]
    errors = []
    for (exemplar, clip), (stranger, _) in zip(pairs, pairs[1:] + pairs[:1], strict=True):
        answers = {
            "ours": colored(preview, exemplar, clip),
            "with another scene's exemplar": colored(preview, stranger, clip),
            "gray": torch.zeros(2, 1, 1),
            "one color for all": exemplar[1:].flatten(1).median(dim=1).values[:, None, None],
            "colors held in place": exemplar[1:],
            "colors by lightness": by_lightness(exemplar, clip),
        }
        errors.append({name: float((ab - clip[:, 1:]).abs().mean()) for name, ab in answers.items()})
    means = {name: float(np.mean([error[name] for error in errors])) for name in errors[0]}
    assert means["ours"] < 0.65 * means["gray"], means
    assert means["ours"] < 0.65 * means["with another scene's exemplar"], means
    assert means["ours"] < 0.9 * min(error for name, error in means.items() if name != "ours"), means


def street():
    picture = cv2.resize(cv2.imread(str(STREET)), (128, 96), interpolation=cv2.INTER_AREA)[..., ::-1].copy()
    return cm.rgb_to_lab(torch.from_numpy(picture).permute(2, 0, 1) / 255)


def synthetic(index):
    return torch.from_numpy(synthetic_clip(77, index, frames=2, size=96, cut=0.0)[0])


@pytest.mark.slow
# Of the first forty synthetic scenes, by how much of their color lies in detail: the 31st, and the finest.
@pytest.mark.parametrize(
    "scene", [street, partial(synthetic, 16), partial(synthetic, 18)], ids=["street", "usual", "fine"]
)
def test_a_still_scene_does_not_fade(preview, scene):
    """Every remembered frame is remembered with its own answer: a small loss each time would end in gray."""
    lab, grain = scene(), torch.Generator().manual_seed(0)
    colorizer = cm.Colorizer(preview)
    colorizer.set_exemplar(lab, first_frame=True)
    chroma = []
    for _ in range(301):
        L = (lab[:1] + 1.5 * torch.randn(lab[:1].shape, generator=grain)).clamp(0, 100)
        chroma.append(float(colorizer.step(L).norm(dim=0).mean()))
    assert chroma[300] >= 0.95 * chroma[10], [round(chroma[frame], 2) for frame in (0, 10, 100, 300)]


@pytest.mark.parametrize(
    "scene", [street, partial(synthetic, 16), partial(synthetic, 18)], ids=["street", "usual", "fine"]
)
def test_colors_of_fine_things_do_not_run(preview, scene):
    """A striped shirt would take one color: the memory's elements are eight pixels wide."""
    lab = scene()
    ab = colored(preview, lab, lab[None].expand(3, -1, -1, -1), first_frame=True)[-1]
    coarse = cv2.resize(F.avg_pool2d(lab[1:], 8).permute(1, 2, 0).numpy(), lab.shape[:0:-1])
    ours, theirs = (float((x - lab[1:]).abs().mean()) for x in (ab, torch.from_numpy(coarse).permute(2, 0, 1)))
    assert ours < theirs


@pytest.mark.slow
def test_a_doubtful_match_is_not_believed(preview, monkeypatch):
    """What comes into the picture would be given the colors of what it covers."""

    kinds = SceneKinds(people=0.0, thin=0.0, paving=0.0, crossings=0.0, newcomers=1.0, defects=0.0)

    def error():
        clips = [
            torch.from_numpy(synthetic_clip(78, index, frames=8, size=128, jump=5, cut=0.0, kinds=kinds))
            for index in range(12)
        ]
        answers = [colored(preview, clip[0], clip, first_frame=True) for clip in clips]
        return np.mean([float((ab - clip[:, 1:]).abs().mean()) for ab, clip in zip(answers, clips, strict=True)])

    heeded, forward = error(), ExemplarDetail.forward
    monkeypatch.setattr(ExemplarDetail, "forward", lambda *args: forward(*args[:-1], torch.zeros_like(args[-1])))
    assert heeded < 0.98 * error()


@pytest.mark.slow
def test_fine_tuning_on_a_film_improves_that_film(preview, tmp_path):
    """A restorer who colors some frames by hand would gain nothing by training on them."""
    film = torch.from_numpy(synthetic_clip(404, 7, frames=25, size=96, jump=1, cut=0.0))
    (tmp_path / "given").mkdir()
    for number in range(0, 25, 3):  # the frames that somebody colored
        rgb = cm.lab_to_rgb(film[number]).permute(1, 2, 0).numpy()
        picture = np.round(rgb[..., ::-1] * 255).astype(np.uint8)
        cv2.imwrite(str(tmp_path / "given" / f"{number:03d}.png"), picture)
    settings = preset("preview").with_overrides(
        data=(str(tmp_path / "given"),), synthetic=False, init="preview", steps=200, batch=1, frames=3, lr=6e-4,
        crops=((0.0, 64),), jumps=((0.0, 2),), warmup=10, norm_share=0.0, matching_share=0.0, precision="fp32",
        validation_share=0.0, validate_every=200, checkpoint_every=200, affine=False, ema_decay=0.0, fade_loss=0.0,
        exemplar_weight=0.0,
    )  # fmt: skip
    train(settings, tmp_path / "run")
    tuned = cm.load_model(tmp_path / "run" / "final.pt")
    assert tuned.config == preview.config  # the exemplar counts as much as before
    others = [number for number in range(1, 25) if number % 3]
    before, after = (psnr(colored(m, film[0], film, first_frame=True)[others], film[others]) for m in (preview, tuned))
    assert after > before + 0.3
