"""Where minutes are enough a notebook runs what is missing; beyond, it shows what is filed and trains nothing."""

import pytest

from imachsr.experiment import Settings
from imachsr.reproduce import filed


@pytest.mark.parametrize(("tier", "asked"), [("smoke", ["conventional", "imachsr"]), ("lab", ["imachsr"])])
def test_what_is_missing_is_run_at_short_tiers_only(tier, asked, tmp_path, monkeypatch):
    settings = [Settings.at(tier, scheme=scheme) for scheme in ("conventional", "imachsr")]
    monkeypatch.setattr("imachsr.reproduce.batch.key_of", lambda setting: setting.scheme)
    monkeypatch.setattr(filed, "run", lambda setting, ledger: (setting.scheme, ledger))
    (tmp_path / "imachsr.json").touch()
    assert filed.filed_or_run(settings, ledger=tmp_path) == [(scheme, tmp_path) for scheme in asked]
