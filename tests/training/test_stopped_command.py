"""Ctrl-C during `imachsr run`: one line that says how to go on, and the same command does."""

import os
import signal


def test_the_command_line_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    import imachsr.training
    from imachsr.cli import main

    command = ["run", "--size", "32x48", "--length", "4", "--epochs", "2", "--batch-size", "2", "--no-weights",
               "--scheme", "conventional", "--memory-format", "contiguous", "--ledger", str(tmp_path)]  # fmt: skip
    monkeypatch.setattr("imachsr.training.interrupt.GRACE", 600)
    evaluate = imachsr.training.evaluate

    def interrupted(*words, **options):
        os.kill(os.getpid(), signal.SIGINT)
        return evaluate(*words, **options)

    with monkeypatch.context() as patch:
        patch.setattr("imachsr.training.evaluate", interrupted)
        assert main(command) == 130
    assert (
        "imachsr run: stopped after 2 steps, all of them kept; run the same again to go on" in capsys.readouterr().err
    )
    assert main(command) == 0
    assert "epoch 1/2" not in capsys.readouterr().err, "the first epoch is not done again"
