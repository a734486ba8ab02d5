from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backend.digits import dataset, mnist_file
from backend.digits.failures import DatasetError

Arrays = dict[str, Any]


def arrays(train: int = 200, test: int = 50) -> Arrays:
    """Images that all differ, so that one can tell where each of them went."""
    random = np.random.default_rng(1)
    return {
        "x_train": random.integers(0, 256, (train, 28, 28), np.uint8),
        "y_train": (np.arange(train) % 10).astype(np.uint8),
        "x_test": random.integers(0, 256, (test, 28, 28), np.uint8),
        "y_test": (np.arange(test) % 10).astype(np.uint8),
    }


@pytest.fixture
def written(tmp_path: Path) -> Callable[[Mapping[str, Any]], Path]:
    def write(content: Mapping[str, Any]) -> Path:
        path = tmp_path / "mnist.npz"
        np.savez_compressed(path, **content)
        return path

    return write


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise urllib.error.URLError("Network is unreachable")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)


def load(environ: Mapping[str, str], name: str = "mnist", **options: int) -> tuple[dataset.Dataset, list[str]]:
    notices: list[str] = []
    return dataset.load(name, environ=environ, notify=notices.append, **options), notices


def as_set(images: np.ndarray) -> set[bytes]:
    return {image.tobytes() for image in images}


def test_training_and_validation_part_the_training_images_and_the_test_set_is_whole(written: Any) -> None:
    content = arrays()

    data, notices = load({"DIGITS_DATA": str(written(content))})

    assert notices == []
    assert (len(data.train), len(data.validation_images), len(data.test_images)) == (180, 20, 50)
    assert as_set(data.train.take(slice(None))[0]) | as_set(data.validation_images) == as_set(content["x_train"])
    assert np.array_equal(data.test_images, content["x_test"])
    by_image = {image.tobytes(): label for image, label in zip(content["x_train"], content["y_train"], strict=True)}
    for image, label in zip(*data.train.take(slice(None)), strict=True):
        assert by_image[image.tobytes()] == label


def test_the_split_is_always_the_same_and_a_limit_cuts_only_training_images(written: Any) -> None:
    environ = {"DIGITS_DATA": str(written(arrays()))}

    whole, _ = load(environ)
    limited, _ = load(environ, limit=30)

    assert np.array_equal(limited.train.take(slice(None))[0], whole.train.take(slice(30))[0])
    assert np.array_equal(limited.validation_images, whole.validation_images)
    assert limited.test_sha256 == whole.test_sha256


def test_the_size_of_the_validation_part_is_chosen_up_to_a_tenth(written: Any) -> None:
    environ = {"DIGITS_DATA": str(written(arrays()))}

    assert len(load(environ, validation_size=12)[0].validation_images) == 12
    assert len(load(environ, validation_size=5_000)[0].validation_images) == 20


def test_the_digest_names_the_test_set_and_nothing_else(written: Any) -> None:
    content = arrays()
    first = load({"DIGITS_DATA": str(written(content))})[0].test_sha256

    content["x_train"] = content["x_train"][::-1]
    assert load({"DIGITS_DATA": str(written(content))})[0].test_sha256 == first
    content["y_test"][7] = 0
    assert load({"DIGITS_DATA": str(written(content))})[0].test_sha256 != first


def test_the_training_channel_comes_before_digits_data(written: Any, tmp_path: Path) -> None:
    path = written(arrays())

    data, _ = load({"SM_CHANNEL_TRAINING": str(path.parent), "DIGITS_DATA": str(tmp_path / "other.npz")})

    assert data.source == "training channel"


@pytest.mark.parametrize(
    ("variable", "message"),
    [
        ("DIGITS_DATA", "DIGITS_DATA says that MNIST is '.*', and there is no such file"),
        ("SM_CHANNEL_TRAINING", r"The folder '.*' \(SM_CHANNEL_TRAINING\) has no such file; expected images.npy"),
    ],
)
@pytest.mark.parametrize("name", ["auto", "mnist"])
def test_a_place_that_was_named_and_is_empty_is_an_error_and_no_reason_to_look_elsewhere(
    variable: str, message: str, name: str, tmp_path: Path
) -> None:
    with pytest.raises(DatasetError, match=message):
        load({variable: str(tmp_path / "nowhere")}, name)


def without(key: str) -> Callable[[Arrays], Arrays]:
    return lambda content: {name: value for name, value in content.items() if name != key}


def changed(key: str, change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Arrays], Arrays]:
    return lambda content: {**content, key: change(content[key])}


def labelled(place: int, label: int) -> Callable[[np.ndarray], np.ndarray]:
    def change(labels: np.ndarray) -> np.ndarray:
        labels = labels.astype(np.int64)
        labels[place] = label
        return labels

    return change


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without("y_test"), "has no array 'y_test'"),
        (changed("x_train", lambda x: x / 255), r"x_train is float64 \[200, 28, 28\]; expected uint8"),
        (changed("x_test", lambda x: x[:, :27]), r"x_test is uint8 \[50, 27, 28\]"),
        (changed("y_train", lambda y: y.astype(np.float32)), r"y_train is float32 \[200\]; expected integers"),
        (changed("y_train", lambda y: np.eye(10, dtype=int)[y]), r"y_train is int64 \[200, 10\]"),
        (changed("y_train", labelled(17, 12)), r"y_train\[17\] is 12; expected 0..9 \(1 such"),
        (changed("y_test", labelled(3, -1)), r"y_test\[3\] is -1"),
        (changed("y_test", lambda y: y[:-1]), "x_test has 50 images and y_test 49 labels"),
        (changed("x_train", lambda x: x.astype(object)), "not a whole .npz file"),
        (lambda _: arrays(train=5), "x_train has 5 images; expected at least 10"),
    ],
)
def test_a_bad_file_is_refused_by_name_and_first_bad_record(spoil: Any, message: str, written: Any) -> None:
    path = written(spoil(arrays()))

    with pytest.raises(DatasetError, match=message) as caught:
        load({"DIGITS_DATA": str(path)}, "auto")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.999])
def test_a_truncated_file_is_refused(keep: float, written: Any) -> None:
    path = written(arrays())
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * keep)])

    with pytest.raises(DatasetError, match="not a whole"):
        load({"DIGITS_DATA": str(path)})


def test_a_flipped_byte_is_found(written: Any) -> None:
    path = written(arrays())
    content = bytearray(path.read_bytes())
    content[len(content) // 3] ^= 0xFF
    path.write_bytes(content)

    with pytest.raises(DatasetError, match="not a whole"):
        load({"DIGITS_DATA": str(path)})


def test_without_network_auto_falls_back_and_says_so(no_network: None, tmp_path: Path) -> None:
    data, notices = load({"KERAS_HOME": str(tmp_path)}, "auto", limit=50)

    assert data.name == "digits8x8"
    assert notices[0].startswith("Downloading MNIST (11 MB)")
    assert "MNIST cannot be had (the download failed: Network is unreachable)" in notices[1]
    assert "8x8 digits" in notices[1]


def test_without_network_mnist_itself_is_an_error(no_network: None, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Set DIGITS_DATA to"):
        load({"KERAS_HOME": str(tmp_path)})


def test_keras_cache_is_used_only_when_it_is_the_file_that_keras_would_accept(
    written: Any, no_network: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "keras" / "datasets" / "mnist.npz"
    cache.parent.mkdir(parents=True)
    cache.write_bytes(written(arrays()).read_bytes())
    environ = {"KERAS_HOME": str(tmp_path / "keras")}

    with pytest.raises(DatasetError, match="the download failed"):
        load(environ)
    monkeypatch.setattr(mnist_file, "SHA256", mnist_file._sha256(cache))
    assert load(environ)[0].source == "Keras' cache"


def test_a_download_of_something_else_leaves_nothing_behind(
    written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = written(arrays())
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: served.open("rb"))

    with pytest.raises(DatasetError, match="the download is not MNIST"):
        load({"KERAS_HOME": str(tmp_path / "keras")})
    assert list((tmp_path / "keras").rglob("*.npz*")) == []


def test_a_good_download_is_kept_for_the_next_time(
    written: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = written(arrays())
    monkeypatch.setattr(mnist_file, "SHA256", mnist_file._sha256(served))
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: served.open("rb"))
    environ = {"KERAS_HOME": str(tmp_path / "keras")}

    assert load(environ)[0].source == mnist_file.URL
    again, notices = load(environ)
    assert (again.source, notices) == ("Keras' cache", [])


def test_the_small_digits_look_like_mnist_and_are_not_shared_between_the_parts() -> None:
    data, notices = load({}, "digits8x8", limit=3_000)

    assert notices == []
    assert (len(data.train), len(data.validation_images), len(data.test_images)) == (3_000, 143, 360)
    for images in (data.train.images, data.validation_images, data.test_images):
        assert images.dtype == np.uint8
        assert images.shape[1:] == (28, 28)
        assert images.max(axis=(1, 2)).min() == 255
        for image in images:
            rows, columns = image.nonzero()
            assert max(np.ptp(rows), np.ptp(columns)) + 1 <= 20
    assert not as_set(data.test_images) & (as_set(data.train.take(slice(None))[0]) | as_set(data.validation_images))
    assert not as_set(data.validation_images) & as_set(data.train.take(slice(None))[0])
    assert set(data.test_labels) == set(range(10))
