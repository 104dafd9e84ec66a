"""The catalogue: every board as data. `board.py` and `panel.py` know Grafana, the others contact centres."""
