"""Pictures of docs/channel_models.md: path loss, shadowing, layouts and link adaptation.

Run: python docs/drawings/places.py (writes docs/images/channel_models/*.png)
"""

import numpy as np
from picture import BLACK, BLUE, GREEN, ORANGE, PURPLE, RED, panels, save

import channel_models as cm


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
    save(figure, "channel_models/path_loss")


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
    way = np.column_stack((travelled, np.zeros(travelled.size)))
    common, *sites = (model.realise([], np.random.default_rng(index)) for index in range(4))
    for index, colour in enumerate((BLUE, RED, GREEN)):
        shared = cm.SharedShadowing(common, sites[index], 0.5).at(way)
        path.plot(travelled, shared, color=colour, linewidth=1, label=f"site {index}")
    path.set(xlabel="travelled distance (m)", ylabel="shadowing (dB)",
             title="to three sites, site_correlation 0.5")  # fmt: skip
    path.legend(fontsize=8)
    save(figure, "channel_models/shadowing")


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
    save(figure, "channel_models/layout")


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
    save(figure, "channel_models/link_adaptation")


if __name__ == "__main__":
    for picture in (path_loss, shadowing, layout, link_adaptation):
        picture()
