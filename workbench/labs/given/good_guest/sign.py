"""A tool that signs a file: `python sign.py FILE` prints the HMAC-SHA256 of its content.

The key: `--key KEY` on the command line, else the environment variable SIGN_KEY, else its standard input.
"""

import argparse
import hmac
import os
import sys

COMMAND = (sys.executable, os.path.abspath(__file__))
"""How it is started; its arguments come behind."""


def main() -> None:
    """Sign the file that the command line names."""
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--key")
    given = parser.parse_args()
    key = given.key or os.environ.get("SIGN_KEY") or sys.stdin.read().strip()
    if not key:
        sys.exit("sign.py: no key")
    signature = hmac.new(key.encode(), digestmod="sha256")
    with open(given.file, "rb") as file:
        while piece := file.read(2**16):
            signature.update(piece)
    print(signature.hexdigest())


if __name__ == "__main__":
    main()
