"""Losses are in nats, people compare bits. Loads nothing: whatever shows numbers may use it."""

from __future__ import annotations

import math

NATS_PER_BIT = math.log(2)
