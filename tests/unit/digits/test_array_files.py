"""Data sets in files of one's own: what is read, and how what is wrong is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pytest
from moto import mock_aws

from backend.digits import array_files, dataset, s3_files
from backend.digits.failures import DatasetError

Arrays = dict[str, np.ndarray]


def arrays(count: int = 240) -> Arrays:
    random = np.random.default_rng(1)
    return {
        "images": random.integers(1, 256, (count, 28, 28), np.uint8),
        "labels": (np.arange(count) % 10).astype(np.int64),
    }


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    def write(**content: Any) -> Path:
        target = tmp_path / "drawings"
        target.mkdir()
        for name, array in (arrays() | content).items():
            np.save(target / f"{name}.npy", array)
        return target

    return write


def load(name: str, **options: Any) -> tuple[dataset.Dataset, list[str]]:
    notices: list[str] = []
    return dataset.load(name, environ={}, notify=notices.append, **options), notices


def test_a_folder_of_arrays_is_parted_and_stays_on_disk(folder: Any) -> None:
    path = folder()

    data, notices = load(str(path))

    assert isinstance(data.train.images, np.memmap)
    assert (len(data.train), len(data.validation_images), len(data.test_images)) == (180, 20, 40)
    assert (data.name, data.source, notices) == ("drawings", str(path), [])
    content = arrays()
    by_image = {image.tobytes(): label for image, label in zip(*content.values(), strict=True)}
    taken = [data.train.take(slice(None)), (data.validation_images, data.validation_labels)]
    seen = {image.tobytes(): label for images, labels in taken for image, label in zip(images, labels, strict=True)}
    seen |= {image.tobytes(): label for image, label in zip(data.test_images, data.test_labels, strict=True)}
    assert seen == by_image
    assert load(str(path))[0].test_sha256 == data.test_sha256


def test_a_folder_may_bring_its_own_test_images(folder: Any) -> None:
    tests = arrays(30)
    data, _ = load(str(folder(test_images=tests["images"], test_labels=tests["labels"])))

    assert np.array_equal(data.test_images, tests["images"])
    assert len(data.train) == 216


def test_an_archive_of_images_and_labels_gives_the_same_parts_as_the_folder(folder: Any, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "own.npz", **arrays())
    packed, mapped = load(str(tmp_path / "own.npz"))[0], load(str(folder()))[0]

    assert packed.test_sha256 == mapped.test_sha256
    for ours, theirs in zip(packed.train.take(slice(None)), mapped.train.take(slice(None)), strict=True):
        assert np.array_equal(ours, theirs)


def changed(name: str, place: int, value: int) -> np.ndarray:
    array = arrays()[name]
    array[place] = value
    return array


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"labels": changed("labels", 17, 12)}, r"labels.npy': labels\[17\] is 12; expected 0..9 \(1 such labels"),
        ({"labels": np.zeros(240, np.int64)}, "labels has no 1; every digit must occur"),
        ({"labels": arrays()["labels"][:-1]}, "images has 240 images and labels 239 labels"),
        ({"images": arrays()["images"] / 255}, r"images is float64 \[240, 28, 28\]; .* Multiply 0..1 by 255"),
        ({"images": arrays()["images"][:, :27]}, r"images.npy': images is uint8 \[240, 27, 28\]"),
        ({"images": arrays(5)["images"], "labels": arrays(5)["labels"]}, "has 5 images; expected at least 10"),
        ({"labels": np.where(np.arange(240) % 50 == 49, -1, arrays()["labels"])}, r"labels\[49\] is -1; .* \(4 such"),
        ({"labels": arrays()["labels"] / 1.0}, r"labels.npy': labels is float64 \[240\]; expected integers \[n\]"),
        ({"labels": np.eye(10, dtype=np.uint8)[arrays()["labels"]]}, r"labels is uint8 \[240, 10\]; expected integers"),
        ({"images": arrays()["images"][..., np.newaxis]}, r"images is uint8 \[240, 28, 28, 1\]; expected uint8 \[n"),
        ({"images": np.uint8(7)}, r"images is uint8 \[\]; expected uint8 \[n, 28, 28\]"),
        ({"test_images": arrays(30)["images"]}, "test_labels.npy' does not exist"),
        ({"test_labels": arrays(30)["labels"]}, "test_images.npy' does not exist"),
        (
            {"test_images": arrays(30)["images"], "test_labels": np.full(30, 10)},
            r"test_labels.npy': labels\[0\] is 10; expected 0..9 \(30 such",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_file_and_first_bad_record(folder: Any, content: Any, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load(str(folder(**content)))


@pytest.mark.parametrize("name", ["images.npy", "labels.npy"])
@pytest.mark.parametrize("keep", [0.0, 0.03])
def test_an_array_cut_in_its_first_bytes_is_named(folder: Any, name: str, keep: float) -> None:
    path = folder() / name
    path.write_bytes(path.read_bytes()[: int(min(path.stat().st_size, 2_048) * keep)])

    with pytest.raises(DatasetError, match=f"{name}' is not a whole .npy file"):
        load(str(path.parent))


@pytest.mark.parametrize(("name", "record"), [("images.npy", 784), ("labels.npy", 8)])
@pytest.mark.parametrize(
    ("more", "says"), [(-1, "ends before record 239 of 240"), (3, "has 3 bytes after its 240 records")]
)
def test_an_array_that_is_cut_or_goes_on_is_named_with_its_first_bad_record(
    folder: Any, name: str, record: int, more: int, says: str
) -> None:
    path = folder() / name
    whole = path.read_bytes()
    path.write_bytes((whole + bytes(3))[: len(whole) + more])
    with pytest.raises(DatasetError, match=f"{name}' is not a whole .npy file: it {says}"):
        load(str(path.parent))

    path.write_bytes(whole[: len(whole) - 100 * record - 1])
    with pytest.raises(DatasetError, match=f"{name}' is not a whole .npy file: it ends before record 139 of 240"):
        load(str(path.parent))


@pytest.mark.parametrize("name", ["images.npy", "labels.npy"])
def test_something_else_under_the_name_of_an_array_is_named(folder: Any, name: str) -> None:
    path = folder() / name
    path.write_bytes(b"P5 28 28 255\n" * 1_000)

    with pytest.raises(DatasetError, match=f"{name}' is not a whole .npy file: ValueError: the magic string"):
        load(str(path.parent))


@pytest.mark.parametrize("broken", [b"'shape': (240, 28, 28", b"'descr': '|u1", b"'fortran_order'"])
def test_an_array_with_a_broken_beginning_is_named(folder: Any, broken: bytes) -> None:
    path = folder() / "images.npy"
    whole = path.read_bytes()
    assert broken in whole
    path.write_bytes(whole.replace(broken, b"(" * len(broken)))

    with pytest.raises(DatasetError, match=r"images.npy' is not a whole .npy file"):
        load(str(path.parent))


def test_python_objects_are_never_unpacked(folder: Any) -> None:
    path = folder()
    np.save(path / "labels.npy", np.array([{"a": 1}] * 240, dtype=object), allow_pickle=True)

    with pytest.raises(DatasetError, match=r"labels.npy' is not a whole .npy file"):
        load(str(path))


def test_images_without_ink_are_told(folder: Any) -> None:
    _, notices = load(str(folder(images=changed("images", 7, 0))))

    assert len(notices) == 1
    assert "images[7] is blank (1 such images in all)" in notices[0]


def test_the_first_image_without_ink_is_told_wherever_the_file_is_cut_for_looking(
    folder: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array_files, "_BLOCK", 50)
    images = arrays()["images"]
    images[[149, 150, 239]] = 0

    _, notices = load(str(folder(images=images)))

    assert ["images[149] is blank (3 such images in all)" in notice for notice in notices] == [True]


def test_an_archive_that_unpacks_to_more_than_memory_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(array_files, "LARGEST_NPZ", 100_000)
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, images=np.zeros((1000, 28, 28), np.uint8), labels=np.zeros(1000, np.uint8))
    assert path.stat().st_size < 5_000

    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("it was unpacked"))
    with pytest.raises(DatasetError, match=r"unpacks to 0.0 GB, more than .* keep so many images in images.npy"):
        load(str(path))


def test_a_place_without_files_says_what_it_should_have(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"nowhere.npz' does not exist"):
        load(str(tmp_path / "nowhere.npz"))
    with pytest.raises(DatasetError, match=r"has no such file; expected images.npy and labels.npy, or one .npz"):
        load(str(tmp_path))
    for name in ("a.npz", "b.npz"):
        np.savez(tmp_path / name, **arrays())
    with pytest.raises(DatasetError, match=r"has 2 .npz files; expected"):
        load(str(tmp_path))


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(s3_files.tempfile, "gettempdir", lambda: str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="digits")
        yield client


def test_a_prefix_is_fetched_once(bucket: Any, folder: Any) -> None:
    for path in folder().iterdir():
        bucket.upload_file(str(path), "digits", f"sets/mine/{path.name}")
    bucket.put_object(Bucket="digits", Key="sets/mine/deeper/other.npz", Body=b"not ours")

    first, told = load("s3://digits/sets/mine")

    assert len(first.train) == 180
    assert [notice.split(" (")[0] for notice in told] == [
        "Downloading s3://digits/sets/mine/images.npy",
        "Downloading s3://digits/sets/mine/labels.npy",
    ]
    assert load("s3://digits/sets/mine")[1] == []
    bucket.put_object(Bucket="digits", Key="sets/mine/labels.npy", Body=b"cut")
    with pytest.raises(DatasetError, match=r"labels.npy' is not a whole .npy file"):
        load("s3://digits/sets/mine")


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("s3://digits/empty", "There is no .npy or .npz file under 's3://digits/empty'"),
        ("s3://no-such-bucket/x", "NoSuchBucket: .* Check the name of the bucket"),
        ("s3://Not_A_Bucket!/x", "cannot be read: "),
    ],
)
def test_a_prefix_that_cannot_be_read_says_why(bucket: Any, address: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        load(address)


def test_a_cache_folder_that_somebody_else_made_is_not_trusted(bucket: Any, folder: Any, tmp_path: Path) -> None:
    for path in folder().iterdir():
        bucket.upload_file(str(path), "digits", f"sets/mine/{path.name}")
    load("s3://digits/sets/mine")
    (cache,) = (tmp_path / "cache").iterdir()
    cache.rename(tmp_path / "elsewhere")
    cache.symlink_to(tmp_path / "elsewhere")

    with pytest.raises(DatasetError, match=r"belongs to somebody else: remove it, or set TMPDIR"):
        load("s3://digits/sets/mine")


def test_without_credentials_the_error_names_what_to_set(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        from botocore.exceptions import NoCredentialsError

        raise NoCredentialsError

    monkeypatch.setattr(boto3, "client", refused)
    with pytest.raises(DatasetError, match=r"Unable to locate credentials. Check the credentials .*AWS_PROFILE"):
        load("s3://digits/sets/mine")
