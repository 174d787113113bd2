"""`load` over a real HTTP server: the good day, and the bad days of downloads and caches."""

import contextlib
import io
import os
import resource
import tempfile

import numpy as np
import pytest
from mnist_server import Files, assert_is_small_mnist, serve_small_mnist, small_mnist

import vae_course as vc
from vae_course import data, download


@pytest.fixture
def served(tmp_path, serve, monkeypatch):
    return serve_small_mnist(tmp_path, serve, monkeypatch, Files)


def test_it_downloads_once_and_then_reads_the_cache(served, cache):
    assert not cache.exists()
    assert_is_small_mnist(vc.load("mnist"))
    assert [path.name for path in cache.iterdir()] == ["mnist.npz"]
    for path in served.iterdir():
        path.unlink()
    assert_is_small_mnist(vc.load("mnist"))


def test_tensorflow_datasets_knows_the_four_files_of_every_name():
    for name in data.NAMES:
        urls = download.url_infos(name)
        for file in download.FILES.values():
            assert sum(url.endswith(file) for url in urls) == 1


def flip_a_bit(content):
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda content: b"<html>please log in</html>", "checksum"),
        (lambda content: content[: len(content) // 2], "checksum"),
        (lambda content: b"", "checksum"),
        (flip_a_bit, "checksum"),
        (None, "404"),
    ],
    ids=["HTML", "truncated", "empty", "one wrong bit", "missing"],
)
def test_a_bad_download_is_a_clear_error_and_leaves_nothing(spoil, says, served, cache):
    file = served / download.FILES["x_test"]
    if spoil is None:
        file.unlink()
    else:
        file.write_bytes(spoil(file.read_bytes()))
    with pytest.raises(RuntimeError, match=rf"(?s)downloading mnist failed.*{says}.*mnist.npz"):
        vc.load("mnist")
    assert not cache.exists()


def npz(**changes):
    """Bytes of a cache file in which some arrays are not what they should be."""
    buffer = io.BytesIO()
    arrays = small_mnist() | changes
    np.savez(buffer, **{key: value for key, value in arrays.items() if value is not None})
    return buffer.getvalue()


def no_images():
    return np.zeros((0, 28, 28), np.uint8)


CORRUPT = {
    "empty": b"",
    "garbage": b"PK\x03\x04 and then nothing",
    "HTML": b"<html>please log in</html>",
    "truncated": npz()[:9000],
    "one wrong byte": npz()[:3000] + b"?" + npz()[3001:],
    "an array missing": npz(y_test=None),
    "lengths differ": npz(y_test=np.zeros(11, np.uint8)),
    "wrong type": npz(x_train=np.zeros((30, 28, 28), np.float32)),
    "wrong shape": npz(x_train=np.zeros((30, 784), np.uint8)),
    "no images": npz(x_test=no_images(), y_test=np.zeros(0, np.uint8)),
    "pickled objects": npz(x_train=np.array([{}], dtype=object)),
}


@pytest.mark.parametrize("content", CORRUPT.values(), ids=CORRUPT)
def test_a_corrupt_cache_is_rebuilt_and_says_so(content, served, cache, capsys):
    cache.mkdir()
    (cache / "mnist.npz").write_bytes(content)
    assert_is_small_mnist(vc.load("mnist"))
    assert "The cached mnist.npz is of no use" in capsys.readouterr().out
    assert_is_small_mnist(vc.load("mnist"))
    assert capsys.readouterr().out == ""


def test_a_corrupt_cache_without_a_network_is_the_stand_in(cache, monkeypatch, capsys):
    monkeypatch.setattr(download, "url_infos", lambda name: {"http://127.0.0.1:9/x": None})
    cache.mkdir()
    (cache / "mnist.npz").write_bytes(b"garbage")
    assert vc.load("mnist").is_stand_in
    assert (cache / "mnist.npz").read_bytes() == b"garbage"  # it is not ours to delete
    printed = capsys.readouterr().out
    assert "of no use" in printed
    assert "STAND-IN" in printed


def file_in_its_place(cache, monkeypatch):
    cache.write_text("a file where the folder should be")


def folder_in_place_of_the_file(cache, monkeypatch):
    (cache / "mnist.npz").mkdir(parents=True)


def read_only(cache, monkeypatch):
    """Permissions do not stop an administrator, who may run these tests: so by hand."""

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(data.tempfile, "mkstemp", refuse)


@pytest.mark.parametrize("spoil", [file_in_its_place, folder_in_place_of_the_file, read_only])
def test_a_cache_that_cannot_be_written_costs_only_the_copy(
    spoil, served, cache, monkeypatch, capsys
):
    spoil(cache, monkeypatch)
    assert_is_small_mnist(vc.load("mnist"))
    assert "Could not keep a copy" in capsys.readouterr().out
    assert not list(cache.glob("*.part"))


@contextlib.contextmanager
def disk_with_room_for(size):
    """Every file that this process writes ends at `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_is_full_when_the_copy_is_kept_costs_only_the_copy(served, cache, capsys):
    largest = max(os.path.getsize(file) for file in served.iterdir())
    with disk_with_room_for(largest + 1000):  # room for each download, not for all four together
        loaded = vc.load("mnist")
    assert_is_small_mnist(loaded)
    assert "Could not keep a copy" in capsys.readouterr().out
    assert list(cache.iterdir()) == []


def test_a_disk_that_is_full_during_the_download_is_a_clear_error(
    served, cache, tmp_path, monkeypatch
):
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    with disk_with_room_for(5000), pytest.raises(RuntimeError, match="downloading mnist failed"):
        vc.load("mnist")
    assert not cache.exists()
    assert list(temporary.iterdir()) == []
