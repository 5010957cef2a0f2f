"""A virtual machine for tests: a kernel of its own, with the project and its interpreter in it, run by QEMU."""
