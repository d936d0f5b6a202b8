"""Martlet beside other systems: each peer is one module with a `PEERS` list; see `measure.Peer` for what they share."""
