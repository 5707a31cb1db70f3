"""The networks by name: what trains and exports looks here."""

from radfuse.networks.res2fusion import Res2Fusion

NETWORKS = {"res2fusion": Res2Fusion}
"""Constructors; each network's file says what its options are."""
