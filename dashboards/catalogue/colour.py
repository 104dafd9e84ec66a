"""Colours that people with any colour vision tell apart: the palette of Okabe and Ito.

A colour never says anything alone: beside it stands a number, a word or a sign.
https://jfly.uni-koeln.de/color/
"""

ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILLION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#8C8C8C"

GOOD, WARN, BAD = BLUE, ORANGE, VERMILLION


def above(warn, bad):
    """Thresholds for what is bad when it is high."""
    return [(None, GOOD), (warn, WARN), (bad, BAD)]


def below(warn, bad):
    """Thresholds for what is bad when it is low."""
    return [(None, BAD), (bad, WARN), (warn, GOOD)]


def plain(colour=BLUE):
    """A number that is neither good nor bad."""
    return [(None, colour)]


def steps(thresholds):
    """Thresholds as Grafana has them."""
    return {"mode": "absolute", "steps": [{"value": value, "color": colour} for value, colour in thresholds]}
