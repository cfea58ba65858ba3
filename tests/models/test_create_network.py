"""Networks by name: any input size, padding, weights by path."""

import pytest
import torch

from imachsr import models


@pytest.mark.parametrize("size", [(60, 80), (64, 96), (45, 33)])
def test_any_size(size):
    network = models.create("deeplabv3plus_resnet18", 11).eval()
    with torch.no_grad():
        logits = network(torch.rand(1, 3, *size))
    whole = size[0] % 4 == size[1] % 4 == 0
    assert logits.shape == (1, 11, *((size[0] // 4, size[1] // 4) if whole else size))


@pytest.mark.parametrize("height", [60, 90, 45])
def test_logits_stay_aligned_at_any_size(height):
    """A network that returns the row of each pixel, at a quarter of the resolution: upsampled, rows are rows again."""
    network = models.Padded(torch.nn.AvgPool2d(4), multiple=16, stride=4)
    rows = torch.arange(height).float().view(1, 1, height, 1).expand(1, 1, height, 64).contiguous()
    logits = torch.nn.functional.interpolate(network(rows), (height, 64), mode="bilinear", align_corners=False)
    inner = slice(4, height // 4 * 4 - 6)  # borders are flat, and padding is zero
    assert (logits - rows)[..., inner, :].abs().max() < 1e-4


def test_padding_does_not_move_the_logits():
    """Logits of a padded image are those of the image padded by hand, cropped."""
    network = models.create("deeplabv3plus_resnet18", 3).eval()
    image = torch.rand(1, 3, 60, 80)
    by_hand = torch.nn.functional.pad(image, (0, 0, 0, 4))
    with torch.no_grad():
        torch.testing.assert_close(network(image), network.network(by_hand)[..., :15, :20])
    assert network.padded_size(60, 80) == (64, 80)


def test_weights_by_path(tmp_path):
    network = models.create("deeplabv3plus_resnet18", 3)
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    again = models.create("deeplabv3plus_resnet18", 3, weights=tmp_path / "weights.pt")
    assert all(
        torch.equal(a, b) for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True)
    )
    with pytest.raises(ValueError, match="does not fit"):
        models.create("deeplabv3plus_resnet18", 4, weights=tmp_path / "weights.pt")
    with pytest.raises(ValueError, match="no file"):
        models.create("deeplabv3plus_resnet18", 3, weights=tmp_path / "none.pt")


def test_bad_names_say_what_there_is():
    with pytest.raises(ValueError, match="deeplabv3plus_resnet18"):
        models.create("lenet", 3)
    for classes in (0, "11", 2.5):
        with pytest.raises(ValueError, match=rf"got classes={classes!r}; .* pass a whole number"):
            models.create("deeplabv3plus_resnet18", classes)


def test_only_hrnet_chooses_its_grid():
    assert not models.create("hrnet_w18_small_v2", 3).align_corners
    network = models.create("hrnet_w18_small_v2", 3, align_corners=True)
    assert network.align_corners
    assert network.stage2[0].align_corners
    with pytest.raises(ValueError, match=r"align_corners=True for topformer_tiny; only HRNet has the choice; leave"):
        models.create("topformer_tiny", 3, align_corners=True)
