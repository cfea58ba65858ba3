"""What a stop, a damaged file or an odd file system leaves: whole files and whole weights."""

import errno
import os
import signal

import pytest
from torch import nn

from imachsr.training import Stopped
from imachsr.training.checkpoint import Checkpoints, write_whole
from imachsr.training.interrupt import Interruption
from imachsr.training.options import Average


def test_a_save_keeps_itself_and_the_one_before_beside_newer_damaged_ones(tmp_path):
    checkpoints = Checkpoints(tmp_path, {})
    for step in (40, 50, 100, 110):
        checkpoints.save({"step": step}, step)
    for damaged in checkpoints.paths():
        damaged.write_bytes(b"damaged")
    checkpoints.save({"step": 50}, 50)
    path = checkpoints.save({"step": 55}, 55)
    assert [kept.name for kept in checkpoints.paths()] == ["step-000000050.ckpt", "step-000000055.ckpt"]
    assert path == checkpoints.paths()[-1]
    assert checkpoints.latest()["step"] == 55


def test_a_checkpoint_that_cannot_be_read_is_passed_over(tmp_path):
    checkpoints = Checkpoints(tmp_path, {})
    checkpoints.save({"step": 1}, 1)
    (tmp_path / "step-000000002.ckpt").mkdir()  # reading it is an error of the system
    with pytest.warns(UserWarning, match=r"^got .* while reading .*000000002.ckpt; going on from step-000000001.ckpt"):
        assert checkpoints.latest()["step"] == 1


def test_a_file_is_written_where_folders_and_modes_cannot_be(tmp_path, monkeypatch):
    real, synced = os.fsync, []

    def only_files(handle):
        if os.path.isdir(f"/proc/self/fd/{handle}"):
            synced.append(handle)
            raise OSError(errno.EINVAL, "Invalid argument")
        real(handle)

    def refused(*_):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fsync", only_files)
    monkeypatch.setattr(os, "chmod", refused)
    write_whole(tmp_path / "file", b"all ", b"of it")
    assert (tmp_path / "file").read_bytes() == b"all of it"
    assert len(synced) == os.path.isdir("/proc/self/fd")


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="alarms as on Unix")
def test_a_stop_asked_for_while_saving_waits_for_the_end_of_it():
    with Interruption() as interruption:
        with interruption.patience():
            signal.raise_signal(signal.SIGTERM)
            assert interruption.asked == signal.SIGTERM
            assert signal.getitimer(signal.ITIMER_REAL)[0] == 0, "saving is not hurried"
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 2, "the next step is"
        with pytest.raises(Stopped, match=r"stopped after 2 s"):
            signal.raise_signal(signal.SIGALRM)
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_signals_that_were_not_handled_from_python_are_given_back():
    interruption = Interruption()
    before = signal.getsignal(signal.SIGTERM)
    try:
        with interruption:
            interruption._before[signal.SIGTERM] = None  # as `signal.signal` returns for a handler set in C
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGTERM, before)


class Halting(nn.Linear):
    """Stopped halfway through the second time that weights are loaded into it."""

    loads = 0

    def _load_from_state_dict(self, state, prefix, *rest):
        self.loads += 1
        if self.loads == 2:
            self.weight.data.zero_()
            raise KeyboardInterrupt
        super()._load_from_state_dict(state, prefix, *rest)


def test_weights_are_whole_after_a_stop_while_they_are_exchanged():
    network = Halting(2, 2)
    average, own = Average(network, 0.9), {name: value.clone() for name, value in network.state_dict().items()}
    average.state["weight"] += 1
    with pytest.raises(KeyboardInterrupt), average.applied():
        assert not network.weight.equal(own["weight"])
    assert network.loads == 3
    assert all(value.equal(own[name]) for name, value in network.state_dict().items())
