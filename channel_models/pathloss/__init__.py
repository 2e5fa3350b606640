"""Path loss: how much power the distance takes, in dB, without shadowing and fading."""
