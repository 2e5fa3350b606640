"""Pictures of docs/channel_models.md: fading in time and frequency, beside its laws.

Run: python docs/drawings/fading.py (writes docs/images/channel_models/*.png)
"""

import numpy as np
from picture import BLACK, BLUE, GREEN, ORANGE, RED, panels, save, streams

import channel_models as cm

DOPPLER = 9.73  # 3 km/h at 3.5 GHz


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
    save(figure, "channel_models/fading_in_time")


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
    save(figure, "channel_models/power_laws")


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
    save(figure, "channel_models/frequency")


if __name__ == "__main__":
    for picture in (fading_in_time, power_laws, frequency):
        picture()
