"""What Docker Engine holds: containers of its usual runtime and of gVisor's, their images, and services of a swarm."""
