"""The pictures of docs/channel_models.md: every model beside its law.

Run: python docs/gallery.py (writes docs/images/channel_models/*.png)
"""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

import channel_models as cm

FOLDER = Path(__file__).parent / "images" / "channel_models"
# Okabe and Ito's colours, told apart with any colour vision
BLACK, ORANGE, SKY, GREEN, BLUE, RED, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
DOPPLER = 9.73  # 3 km/h at 3.5 GHz


def streams(count: int, seed: int = 1) -> list[np.random.Generator]:
    """Generators of as many links."""
    return [np.random.default_rng([seed, i]) for i in range(count)]


def panels(count: int) -> tuple[Figure, list[Axes]]:
    """A row of axes."""
    figure, axes = plt.subplots(1, count, figsize=(4.6 * count, 3.6), layout="constrained", dpi=110)
    for axis in axes:
        axis.grid(alpha=0.3, linewidth=0.5)
    return figure, list(axes)


def save(figure: Figure, name: str) -> None:
    """Write a picture with a palette of 256 colours, which keeps it small."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    figure.canvas.draw()
    picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())).convert("RGB")
    picture.quantize(256).save(FOLDER / f"{name}.png", optimize=True)
    plt.close(figure)


def path_loss() -> None:
    """Path loss and line of sight over distance."""
    figure, (loss, chance) = panels(2)
    d = np.geomspace(10, 5000, 300)
    for model, colour in [(cm.UMa, BLUE), (cm.UMi, RED), (cm.RMa, GREEN), (cm.InH, PURPLE)]:
        reach = d if model is not cm.InH else np.geomspace(2, 140, 200)
        name = model.__name__
        loss.plot(reach, model().loss_db(reach, 3.5e9), color=colour, label=f"{name} NLOS")
        loss.plot(reach, model().loss_db(reach, 3.5e9, los=True), "--", color=colour)
        reach = d if model is not cm.InH else np.geomspace(1, 140, 200)
        probability = model(condition="mixed").los_probability(reach)
        chance.plot(reach, probability, color=colour, label=name)
    loss.plot(d, cm.FreeSpace().loss_db(d, 3.5e9), ":", color=BLACK, label="free space")
    loss.plot([], [], "--", color="grey", label="same colour: LOS")
    loss.set(xscale="log", xlabel="horizontal distance (m)", ylabel="path loss (dB)",
             title="TR 38.901 at 3.5 GHz", ylim=(170, 40))  # fmt: skip
    chance.set(xscale="log", xlabel="horizontal distance (m)", ylabel="probability",
               title="line of sight")  # fmt: skip
    loss.legend(fontsize=8)
    chance.legend(fontsize=8)
    save(figure, "path_loss")


def shadowing() -> None:
    """A map, its correlation, and paths."""
    figure, (picture, correlation, path) = panels(3)
    model = cm.ShadowMap(sigma=6.0, decorrelation=50.0)
    field = model.realise([], np.random.default_rng(3))
    edge = np.linspace(0, 600, 240)
    values = field.at(np.stack(np.meshgrid(edge, edge), axis=-1))
    image = picture.imshow(values, origin="lower", extent=(0, 600, 0, 600), cmap="PuOr",
                           vmin=-18, vmax=18)  # fmt: skip
    picture.grid(visible=False)
    picture.set(xlabel="east (m)", ylabel="north (m)", title="ShadowMap, sigma 6 dB, 50 m")
    figure.colorbar(image, ax=picture, label="shadowing (dB)", shrink=0.8)
    lags = np.linspace(0, 200, 21)
    drawn = np.array(
        [
            model.realise([], np.random.default_rng([4, i])).at(
                np.column_stack([lags, np.zeros_like(lags)])
            )
            for i in range(1500)
        ]
    )
    measured = (drawn * drawn[:, :1]).mean(axis=0) / 36.0
    correlation.plot(lags, model.correlation(lags), color=BLACK, label="law exp(-d / 50 m)")
    correlation.plot(lags, measured, "o", color=BLUE, markersize=4, label="1500 maps")
    correlation.set(xlabel="distance (m)", ylabel="correlation", title="in space")
    correlation.legend(fontsize=8)
    travelled = np.arange(0, 1000, 2.0)
    for index, colour in enumerate((BLUE, RED, GREEN)):
        walk = cm.GaussMarkovShadowing(sigma=6.0).along(travelled, np.random.default_rng(index))
        path.plot(travelled, walk, color=colour, linewidth=1, label=f"device {index}")
    path.set(xlabel="travelled distance (m)", ylabel="shadowing (dB)",
             title="GaussMarkovShadowing along paths")  # fmt: skip
    path.legend(fontsize=8)
    save(figure, "shadowing")


def fading_in_time() -> None:
    """Envelopes, autocorrelations and level crossings."""
    figure, (envelope, correlation, crossings) = panels(3)
    time = np.arange(0, 1.0, 1e-3)
    for model, colour, label in [
        (cm.Rayleigh(), BLUE, "Rayleigh"),
        (cm.Rician(k_factor=9.0), ORANGE, "Rician, K = 9 dB"),
        (cm.Nakagami(m=3.0), GREEN, "Nakagami, m = 3"),
    ]:
        power = model.realise(streams(1, 5), DOPPLER).power(time, [0.0])[0, :, 0]
        envelope.plot(time, cm.linear_to_db(power), color=colour, linewidth=1.2, label=label)
    envelope.set(xlabel="time (s)", ylabel="power gain (dB)", ylim=(-32, 10),
                 title="3 km/h at 3.5 GHz")  # fmt: skip
    envelope.legend(fontsize=8, loc="lower right")
    lags = np.linspace(0, 0.2, 41)
    exponential = cm.OrnsteinUhlenbeck(coherence_time=43e-3)
    for model, colour, label in [
        (cm.Rayleigh(), BLUE, "Rayleigh"),
        (exponential, RED, "OrnsteinUhlenbeck"),
        (cm.Block(duration=43e-3), GREEN, "Block, 43 ms"),
    ]:
        process = model.realise(streams(1500), np.full(1500, DOPPLER))
        starts = np.linspace(0, 3, 40)
        now = process.taps(starts)[..., 0]
        measured = [(process.taps(starts + lag)[..., 0] * now.conj()).mean().real for lag in lags]
        law = np.real(model.autocorrelation(lags, DOPPLER))
        correlation.plot(lags, law, color=colour, label=f"{label}, law")
        correlation.plot(lags, measured, "o", color=colour, markersize=3)
    correlation.set(xlabel="lag (s)", ylabel="autocorrelation (real part)",
                    title="laws (lines) and 1500 links (dots)")  # fmt: skip
    correlation.legend(fontsize=8)
    levels_db = np.linspace(-25, 6, 25)
    levels = 10 ** (levels_db / 20)
    for model, colour, label in [
        (cm.Rayleigh(sinusoids=32), BLUE, "Rayleigh"),
        (cm.Rician(k_factor=3.0), ORANGE, "Rician, K = 3 dB"),
        (cm.Nakagami(m=3.0), GREEN, "Nakagami, m = 3"),
    ]:
        process = model.realise(streams(60, 8), np.full(60, DOPPLER))
        amplitude = np.sqrt(process.power_grid(0, 50_000, 0.1e-3, [0.0])[..., 0])
        above = amplitude[..., None] >= levels
        rate = (~above[:, :-1] & above[:, 1:]).sum(axis=(0, 1)) / (60 * 5.0)
        crossings.plot(levels_db, model.level_crossing_rate(levels, DOPPLER), color=colour,
                       label=label)  # fmt: skip
        crossings.plot(levels_db[rate > 0], rate[rate > 0], "o", color=colour, markersize=3)
    crossings.set(xlabel="level over rms (dB)", ylabel="upward crossings (1/s)", yscale="log",
                  ylim=(0.1, 20), title="level-crossing rate")  # fmt: skip
    crossings.legend(fontsize=8)
    save(figure, "fading_in_time")


def power_laws() -> None:
    """Distribution, ergodic rate and outage."""
    figure, (distribution, rate, outage) = panels(3)
    snr_db = np.linspace(-10, 30, 41)
    snr = cm.db_to_linear(snr_db)
    x_db = np.linspace(-30, 10, 200)
    x = cm.db_to_linear(x_db)
    for seed, (model, colour, label) in enumerate(
        [
            (cm.Rayleigh(profile="tdl-c"), BLUE, "Rayleigh, TDL-C"),
            (cm.Rician(k_factor=6.0), ORANGE, "Rician, K = 6 dB"),
            (cm.Nakagami(m=0.7), RED, "Nakagami, m = 0.7"),
            (cm.Nakagami(m=3.0), GREEN, "Nakagami, m = 3"),
        ]
    ):
        process = model.realise(streams(2000, seed), np.full(2000, DOPPLER))
        power = process.power_grid(0, 64, 0.11, [0.0]).ravel()
        distribution.plot(x_db, model.law.cdf(x), color=colour, label=label)
        points = np.arange(-30, 10, 2.5)
        empirical = cm.EmpiricalPower(power)
        share = empirical.cdf(cm.db_to_linear(points))
        distribution.plot(points[share > 0], share[share > 0], "o", color=colour, markersize=3)
        rate.plot(snr_db, model.law.ergodic_rate(snr), color=colour, label=label)
        rate.plot(snr_db[::5], empirical.ergodic_rate(snr[::5]), "o", color=colour, markersize=3)
        outage.plot(snr_db, model.law.outage(1.0, snr), color=colour, label=label)
        failed = empirical.outage(1.0, snr[::4])
        outage.plot(snr_db[::4][failed > 0], failed[failed > 0], "o", color=colour, markersize=3)
    distribution.set(xlabel="power gain (dB)", ylabel="cdf", yscale="log", ylim=(1e-4, 1.5),
                     title="laws (lines) and 128 000 samples (dots)")  # fmt: skip
    rate.plot(snr_db, np.log2(1 + snr), ":", color=BLACK, label="no fading")
    rate.set(xlabel="mean SNR (dB)", ylabel="ergodic rate (bit/s/Hz)", title="ergodic rate")
    outage.set(xlabel="mean SNR (dB)", ylabel="outage probability", yscale="log", ylim=(1e-4, 1.5),
               title="outage at 1 bit/s/Hz")  # fmt: skip
    for axis in (distribution, rate, outage):
        axis.legend(fontsize=8)
    save(figure, "power_laws")


def frequency() -> None:
    """Time and frequency selectivity."""
    figure, (picture, correlation, profile) = panels(3)
    model = cm.Rayleigh(profile="tdl-c", delay_spread=300e-9)
    offsets = cm.resource_block_offsets(51, 30e3)
    power = model.realise(streams(1, 2), DOPPLER).power_grid(0, 200, 5e-3, offsets)[0]
    image = picture.imshow(
        cm.linear_to_db(power.T), origin="lower", aspect="auto", cmap="cividis", vmin=-25, vmax=8,
        extent=(0, 1, offsets[0] / 1e6, offsets[-1] / 1e6),
    )  # fmt: skip
    picture.grid(visible=False)
    picture.set(xlabel="time (s)", ylabel="offset from the carrier (MHz)",
                title="TDL-C, 300 ns, 51 resource blocks")  # fmt: skip
    figure.colorbar(image, ax=picture, label="power gain (dB)")
    spacing = np.linspace(0, 8e6, 60)
    for name, colour in [("tdl-a", BLUE), ("tdl-c", RED), ("tdl-d", GREEN)]:
        model = cm.Rayleigh(profile=name, delay_spread=300e-9)
        law = np.abs(model.frequency_correlation(spacing))
        correlation.plot(spacing / 1e6, law, color=colour, label=f"{name.upper()}, law")
        process = model.realise(streams(1500), np.full(1500, DOPPLER))
        response = process.response(0.0, spacing[::4])
        measured = np.abs((response * response[:, :1].conj()).mean(axis=0))
        correlation.plot(spacing[::4] / 1e6, measured, "o", color=colour, markersize=3)
    correlation.set(xlabel="frequency spacing (MHz)", ylabel="correlation (magnitude)",
                    title="laws (lines) and 1500 links (dots)")  # fmt: skip
    correlation.legend(fontsize=8)
    for shift, (name, colour) in enumerate([("tdl-a", BLUE), ("tdl-c", RED), ("tdl-d", GREEN)]):
        taps = cm.delay_profile(name)
        power_db = cm.linear_to_db(taps.tap_powers)
        profile.vlines(taps.delays + 0.04 * shift, -42, power_db, color=colour)
        profile.plot(taps.delays + 0.04 * shift, power_db, "o", color=colour, markersize=3,
                     label=name.upper())  # fmt: skip
    profile.set(xlabel="delay over rms delay spread", ylabel="mean power (dB)", ylim=(-42, 2),
                title="power delay profiles")  # fmt: skip
    profile.legend(fontsize=8)
    save(figure, "frequency")


def layout() -> None:
    """A wrapped grid, the sector pattern, drops."""
    figure, (map_axis, pattern, distance) = panels(3)
    grid = cm.HexGrid(sites=19, spacing=500.0, sectors=3)
    edge = np.linspace(-1300, 1300, 260)
    points = np.stack(np.meshgrid(edge, edge), axis=-1)
    offsets = grid.offsets(points)
    azimuth = np.arctan2(offsets[..., 1], offsets[..., 0])
    away = np.hypot(offsets[..., 0], offsets[..., 1])
    loss = cm.UMa().loss_db(np.maximum(away, 10.0), 3.5e9)
    gains = np.stack(
        [cm.Sector(boresight=angle).gain_db(azimuth) - loss for angle in grid.boresights], axis=-1
    )
    linear = cm.db_to_linear(gains).reshape(*gains.shape[:2], -1)
    best = linear.max(axis=-1)
    sinr = cm.linear_to_db(best / (linear.sum(axis=-1) - best))
    image = map_axis.imshow(sinr, origin="lower", extent=(-1300, 1300, -1300, 1300),
                            cmap="cividis", vmin=-5, vmax=20)  # fmt: skip
    map_axis.plot(*grid.positions.T, "^", color="white", markersize=4)
    map_axis.grid(visible=False)
    map_axis.set(xlabel="east (m)", ylabel="north (m)",
                 title="SIR, 19 sites x 3 sectors, wrapped")  # fmt: skip
    figure.colorbar(image, ax=map_axis, label="SIR at full load (dB)", shrink=0.8)
    angle = np.linspace(-180, 180, 361)
    pattern.plot(angle, cm.Sector().gain_db(np.deg2rad(angle)), color=BLUE, label="horizontal cut")
    zenith = np.linspace(0, 180, 181)
    pattern.plot(zenith - 90, cm.Sector(downtilt="10 deg").gain_db(0.0, np.deg2rad(zenith)), "--",
                 color=RED, label="vertical cut, 10 deg down")  # fmt: skip
    pattern.set(xlabel="angle from boresight, below horizon (deg)", ylabel="gain (dBi)",
                title="Sector, TR 38.901 Table 7.3-1")  # fmt: skip
    pattern.legend(fontsize=8)
    for kind, colour, label in [
        (cm.Disc(radius=250.0), BLUE, "Disc"),
        (cm.Hexagon(radius=250.0), RED, "Hexagon"),
    ]:
        drop = kind.drop(4000, np.random.default_rng(0))
        reach = np.sort(np.hypot(*drop.T))
        distance.plot(reach, np.arange(1, 4001) / 4000, color=colour, label=f"{label}, 4000 drops")
    r = np.linspace(10, 250, 100)
    distance.plot(r, (r**2 - 100) / (250**2 - 100), ":", color=BLACK, label="Disc, law")
    distance.set(xlabel="distance from the site (m)", ylabel="cdf", title="drops")
    distance.legend(fontsize=8)
    save(figure, "layout")


def link_adaptation() -> None:
    """Rate maps, error curves, effective SINRs."""
    figure, (rates, errors, effective) = panels(3)
    snr_db = np.linspace(-10, 30, 400)
    snr = cm.db_to_linear(snr_db)
    for model, style, colour, label in [
        (cm.Shannon(), ":", BLACK, "Shannon"),
        (cm.ShannonGap(gap=3.0), "-", BLUE, "ShannonGap, 3 dB"),
        (cm.AttenuatedShannon(), "-", GREEN, "AttenuatedShannon, downlink"),
        (cm.FiniteBlocklength(blocklength=200, error=1e-3), "-", ORANGE,
         "FiniteBlocklength, 200 uses, 1e-3"),
        (cm.McsRate(), "-", RED, "McsRate, 64QAM, HARQ"),
        (cm.McsRate(table="256qam"), "--", PURPLE, "McsRate, 256QAM, HARQ"),
    ]:  # fmt: skip
        rates.plot(snr_db, model.spectral_efficiency(snr), style, color=colour, label=label,
                   linewidth=1.3)  # fmt: skip
    rates.set(xlabel="SINR (dB)", ylabel="spectral efficiency (bit/s/Hz)", ylim=(0, 9),
              title="rate maps")  # fmt: skip
    rates.legend(fontsize=7)
    curves = cm.BlockErrors()
    for mcs, colour in [(0, BLUE), (9, GREEN), (16, ORANGE), (28, RED)]:
        for bits, style in [(200, "--"), (8448, "-")]:
            chance = curves.code_block_error(snr, mcs, bits)
            errors.plot(snr_db, chance, style, color=colour,
                        label=f"MCS {mcs}" if bits == 8448 else None)  # fmt: skip
    errors.plot([], [], "--", color="grey", label="200 bit (solid: 8448)")
    errors.axhline(0.1, color="grey", linewidth=0.6)
    errors.set(xlabel="effective SINR (dB)", ylabel="code block error rate", yscale="log",
               ylim=(1e-4, 1.5), xlim=(-10, 42), title="BlockErrors, defaults")  # fmt: skip
    errors.legend(fontsize=8)
    spread = np.linspace(0, 20, 60)
    unequal = cm.db_to_linear(10.0 + spread[:, None] * np.linspace(-0.5, 0.5, 24))
    for values, colour, label in [
        (unequal.mean(axis=1), BLACK, "arithmetic mean"),
        (cm.capacity_effective_sinr(unequal), BLUE, "capacity mapping"),
        (cm.equaliser_sinr(unequal), GREEN, "SC-FDMA equaliser"),
        (cm.exponential_effective_sinr(unequal, 5.16), RED, "EESM, beta 5.16"),
        (unequal.min(axis=1), PURPLE, "minimum"),
    ]:
        effective.plot(spread, cm.linear_to_db(values), color=colour, label=label)
    effective.set(xlabel="spread of 24 SINRs around 10 dB (dB)", ylabel="effective SINR (dB)",
                  title="one SINR for many")  # fmt: skip
    effective.legend(fontsize=8)
    save(figure, "link_adaptation")


def main() -> None:
    """Make all pictures."""
    for picture in (
        path_loss, shadowing, fading_in_time, power_laws, frequency, layout, link_adaptation,
    ):  # fmt: skip
        picture()


if __name__ == "__main__":
    main()
