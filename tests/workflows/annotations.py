"""What a runner of GitHub Actions obeys in the output of a step."""

import re


def obeyed(out, err):
    """Commands that the runner obeys: standard error is read first, whatever was written first."""
    stopped, commands = None, []
    for line in re.split(r"\r\n|\r|\n", err) + re.split(r"\r\n|\r|\n", out):
        found = re.match(r"\s*::([\w-]+)[^:]*::(.*)", line) or re.search(r"##\[([\w-]+)[^\]]*\](.*)", line)
        if not found:
            continue
        if stopped:
            stopped = None if found[1] == stopped else stopped
        elif found[1] == "stop-commands":
            stopped = found[2]
        else:
            commands.append(line)
    return commands
