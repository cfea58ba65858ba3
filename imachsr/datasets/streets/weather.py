"""Weather: the colours of the sky, the sun, the haze, and what they do to a colour."""

from __future__ import annotations

from .colours import Colour, Dice, Ink, byte, mixed

# name: sky above, sky at the horizon, ambient, direct light, haze distance (m), tint, chance of a wet road, odds
WEATHER: dict[str, tuple[Colour, Colour, float, float, float, Colour, float, float]] = {
    "clear": ((96, 142, 205), (196, 214, 232), 0.58, 0.52, 900, (1.0, 1.0, 1.0), 0.0, 4),
    "bright": ((214, 222, 230), (247, 248, 250), 0.62, 0.40, 500, (1.0, 1.0, 1.0), 0.0, 4),
    "overcast": ((150, 154, 160), (196, 199, 203), 0.82, 0.05, 350, (0.98, 1.0, 1.02), 0.25, 5),
    "golden": ((120, 138, 176), (240, 206, 158), 0.52, 0.62, 420, (1.08, 0.98, 0.84), 0.0, 2),
    "fog": ((184, 187, 190), (192, 195, 198), 0.86, 0.0, 42, (1.0, 1.0, 1.0), 0.3, 1.5),
    "rain": ((104, 110, 120), (144, 150, 158), 0.70, 0.0, 130, (0.94, 0.99, 1.05), 1.0, 2),
    "dusk": ((52, 64, 104), (178, 138, 122), 0.46, 0.10, 260, (0.95, 0.92, 1.08), 0.3, 1.5),
}


class Weather:
    """The light of one scene, drawn by lot: one row of `WEATHER`, varied."""

    def __init__(self, dice: Dice) -> None:
        names = [name for name, row in WEATHER.items() for _ in range(int(row[-1] * 2))]
        self.name = dice.pick(names)
        top, low, ambient, direct, haze, tint, wet, _ = WEATHER[self.name]
        self.sky_top, self.sky_low = dice.near(top, 10), dice.near(low, 6)
        self.ambient, self.direct = ambient * dice(0.9, 1.06), direct * dice(0.7, 1.1)
        self.haze = haze * dice(0.7, 1.5)
        self.mist = mixed(self.sky_low, self.sky_top, 0.15)
        self.tint, self.wet = tint, dice.chance(wet)
        self.sun = dice.pick((-1, 1))  # side the sun stands on
        self.sun_behind = dice(-0.6, 1)  # 1: behind the camera, so that fronts facing it are lit
        self.sun_reach = dice(0.3, 1.9)  # metres of shadow per metre of height
        self.sun_shear = dice(-1.2, 1.2)

    def light(self, z: float, colour: Colour, label: int, gain: float = 1.0) -> Ink:
        """Ink for a colour at depth z: lit, hazy, with its class."""
        share = z / (z + self.haze)
        gain *= self.ambient + 0.5 * self.direct
        keep = gain * (1 - share)
        mist = self.mist
        return (
            byte(colour[0] * keep + mist[0] * share),
            byte(colour[1] * keep + mist[1] * share),
            byte(colour[2] * keep + mist[2] * share),
            label,
        )
