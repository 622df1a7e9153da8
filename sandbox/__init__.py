"""Local vendors over real HTTP on loopback, and the world that fills them."""
