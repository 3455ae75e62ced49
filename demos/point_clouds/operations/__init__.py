"""The operations on a cloud: each module declares its own; `registry` gathers them."""
