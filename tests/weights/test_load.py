"""Weight files: good ones load, bad ones end in one sentence that names them."""

from __future__ import annotations

import hashlib
import os
import pickle
import time
from contextlib import suppress

import pytest
import torch

import colormnet_cli as cm
from colormnet_cli.errors import CheckpointError, WeightsError
from colormnet_cli.inference.engine import check_colorizes_films
from colormnet_cli.networks.colormnet import ColorMNet
from colormnet_cli.networks.weight_file import blank_from_content, network_from_content, save_network
from colormnet_cli.weights import blank_network, load_model, lock
from support.networks import make_small_ddcolor, make_small_deep_exemplar, make_small_model


@pytest.fixture
def film(small_model, tmp_path):
    path = tmp_path / "film.pt"
    save_network(small_model, path)
    return path


def test_our_own_file_loads_with_its_sizes(small_model, film):
    """What `train` writes is loaded as the same network, ready to run."""
    loaded = load_model(film)
    assert loaded.config == small_model.config
    assert not loaded.training
    for name, tensor in small_model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name


def test_a_file_says_which_network_it_is_of(tmp_path):
    """Loading a file of DDColor gives DDColor; one that colorizes no films is refused before one starts."""
    path = tmp_path / "stills.pt"
    save_network(make_small_ddcolor(), path)
    assert isinstance(load_model(path), cm.DDColor)
    save_network(cm.BlindConsistency(6, 2, width=8, blocks=1), other := tmp_path / "steady.pt")
    for network in (load_model(other), blank_network(other)):
        with pytest.raises(
            CheckpointError, match=r"steady\.pt has weights of BlindConsistency, which does not colorize"
        ):
            check_colorizes_films(network, other)
    content = torch.load(path, weights_only=True)
    torch.save({**content, "network": "Later"}, path)
    with pytest.raises(CheckpointError, match=r"'Later' is not known.*later version"):
        load_model(path)


def test_a_file_of_the_old_format_loads(small_model, film):
    """Files from before PyTorch 1.6 cannot be mapped into memory; they load too."""
    torch.save(torch.load(film, weights_only=True), film, _use_new_zipfile_serialization=False)
    assert load_model(str(film)).config == small_model.config


def test_a_name_loads_the_file_of_the_lock(film, tmp_path, monkeypatch):
    """`--model preview` is a file in the package, found through the lock and verified."""
    content = film.read_bytes()
    path = tmp_path / "lock"
    path.write_text(
        f'[preview]\nbundled = "film.pt"\nsize = {len(content)}\nlicense = "Apache-2.0"\n'
        f'sha256 = "{hashlib.sha256(content).hexdigest()}"\n'
    )
    monkeypatch.setenv("COLORMNET_LOCK", str(path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(lock, "PACKAGE", tmp_path)
    assert isinstance(load_model("preview"), ColorMNet)
    with pytest.raises(WeightsError, match=r"'colormnet' is neither a model \(preview\) nor an existing file"):
        load_model("colormnet")


class Evil:
    def __reduce__(self):
        return os.mkdir, ("pwned",)


@pytest.mark.parametrize("form", ["zip", "old", "pickle"])
def test_a_malicious_pickle_is_refused_and_not_run(tmp_path, monkeypatch, form):
    """A downloaded weight file must not be able to run code."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "evil.pt"
    if form == "pickle":
        path.write_bytes(pickle.dumps(Evil(), protocol=2))
    else:
        torch.save({"config": {}, "state": Evil()}, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(CheckpointError, match=r"evil\.pt is refused: .*posix\.mkdir.*could run code") as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "pwned").exists()


def test_wrong_shapes_and_names_are_reported(film):
    """Someone who mixes up two files needs to see which tensor differs, and how."""
    content = torch.load(film, weights_only=True)
    first, second = sorted(content["state"])[:2]
    content["state"][first] = torch.zeros(3, 1, 4)
    del content["state"][second]
    torch.save(content, film)
    with pytest.raises(
        CheckpointError, match=r"film\.pt: .*1 missing: .*1 of another shape: .* is \[3, 1, 4\] instead"
    ):
        load_model(film)


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_values_that_are_not_finite(film, value):
    """A film would be gray or black after hours of work, and nobody would know why."""
    content = torch.load(film, weights_only=True)
    name = sorted(content["state"])[5]
    tensor = content["state"][name]
    tensor[(-1,) * tensor.ndim] = value
    torch.save(content, film)
    with pytest.raises(CheckpointError, match=rf"film\.pt: .*{name} holds values that are no finite numbers") as caught:
        load_model(film)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("config", [{"vit_dim": 7}, {"color": 3}, {"trunk_block": "other"}, 5])
def test_a_configuration_that_no_network_has(film, config):
    """A file of a later version, or a damaged one, must not load as something else."""
    content = torch.load(film, weights_only=True)
    torch.save({**content, "config": config}, film)
    with pytest.raises(CheckpointError, match=r"film\.pt"):
        load_model(film)


@pytest.mark.parametrize("kind", ["empty", "text", "png", "cut", "list", "digit", "letter"])
def test_a_file_that_is_not_one_of_weights(film, kind):
    """A photo given as --model ends in a sentence, not in a traceback from the unpickler."""
    whole = film.read_bytes()
    contents = {"empty": b"", "text": b"hello world\n", "png": b"\x89PNG\r\n\x1a\n" + whole[:300], "cut": whole[:-100]}
    contents |= {"digit": b"0", "letter": b"\x80\x02G0"}  # the unpickler raises other errors for these
    if kind == "list":
        torch.save([torch.zeros(2)], film)
    else:
        film.write_bytes(contents[kind])
    with pytest.raises(CheckpointError, match=r"film\.pt") as caught:
        load_model(film)
    assert "\n" not in str(caught.value)


def test_a_folder_or_an_unknown_name(tmp_path):
    """The error lists the names that there are."""
    with pytest.raises(WeightsError, match=r"is a folder: give a weight file, or the name of a model \(colormnet"):
        load_model(tmp_path)
    for name in ("nonsense", "~nobody/nonsense.pth", 300 * "nonsense"):
        with pytest.raises(WeightsError, match=rf"'{name}' is neither a model \(colormnet.*\) nor an existing file$"):
            load_model(name)


def test_a_mistyped_name_or_file_gets_a_suggestion(film, monkeypatch):
    """A letter too few should not cost a look into the manual."""
    monkeypatch.chdir(film.parent)
    for typed, meant in (("prevew", "preview"), ("flim.pt", "film.pt"), (film.with_name("flm.pt"), film)):
        with pytest.raises(WeightsError, match=f"; did you mean '{meant}'[?]$"):
            load_model(typed)


ABSURD = [10**9, -1, 0, 1e300, float("nan"), None, "x" * 50, [], [10**9] * 3, {"a": 1}]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Initializing zero-element tensors")
@pytest.mark.parametrize("make", [make_small_model, make_small_ddcolor, make_small_deep_exemplar])
def test_absurd_sizes_are_refused_in_a_sentence(tmp_path, make):
    """A depth of 10**9 did not end within 40 s, and others were internal errors."""
    path = tmp_path / "film.pt"
    save_network(make(), path)
    content = torch.load(path, weights_only=True)
    sizes = content["config"]
    configs = [{**sizes, name: value} for name in sizes for value in ABSURD]
    for config in [*configs, None, 5, [], {"unknown": 1}, {5: 5}, "x", {**sizes, "more": [1] * 10**5}]:
        begin = time.monotonic()
        for build in (network_from_content, blank_from_content):
            with suppress(CheckpointError):  # a few of them fit
                build({**content, "config": config})
        assert time.monotonic() - begin < 5, config
    name = list(sizes)[-1]
    torch.save({**content, "config": {**sizes, name: 10**9}}, path)
    for load in (load_model, blank_network):
        with pytest.raises(CheckpointError, match=rf"film\.pt: .*{name} is 1000000000, and \d+ is the most that fits"):
            load(path)


@pytest.mark.filterwarnings("ignore:Sparse CSR")
def test_tensors_that_are_no_plain_numbers_are_refused(small_model, film):
    """Sparse tensors were an internal error."""
    content = torch.load(film, weights_only=True)
    name = next(name for name, tensor in content["state"].items() if tensor.ndim == 2)
    tensor = content["state"][name]
    for odd in (tensor.to_sparse(), tensor.to_sparse_csr(), tensor.to(torch.complex64), tensor.to("meta")):
        torch.save({**content, "state": {**content["state"], name: odd}}, film)
        with pytest.raises(CheckpointError, match=f"The tensor {name} is not stored as plain numbers"):
            load_model(film)
    for state in ({**content["state"], 5: tensor}, {**content["state"], name: 5}, [tensor], tensor):
        torch.save({**content, "state": state}, film)
        with pytest.raises(CheckpointError, match="no table of tensors by name"):
            load_model(film)
