"""The story of the README, command by command, with the output that it shows."""

import os
import pathlib
import re
import subprocess
import sys

from test_operate import article  # noqa: F401  (the fixture)

ROOT = pathlib.Path(__file__).parents[2]
DONE = "-- end of output --"


def story():
    """Pairs of command and shown output, in order."""
    for block in re.findall(r"```console\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            yield command, output


def test_the_story_gives_the_output_that_the_readme_shows(article, tmp_path):
    paths = [os.path.dirname(os.path.abspath(os.environ["KEYWARD_BIN"])), os.path.dirname(sys.executable), os.environ["PATH"]]
    environment = {
        "PATH": ":".join(paths),
        "HOME": str(tmp_path),
        "KEYWARD_DATA": str(article.data),
        "AWS_CONFIG_FILE": str(ROOT / "examples" / "aws-config"),
        "AWS_ENDPOINT_URL": article.endpoint,
    }
    (tmp_path / "LICENSE-MIT").write_bytes((ROOT / "LICENSE-MIT").read_bytes())
    commands = list(story())
    assert len(commands) > 20
    shell = subprocess.Popen(
        ["bash"], cwd=tmp_path, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    for command, expected in commands:
        shell.stdin.write(f"{command}\nprintf '%s\\n' '{DONE}'\n")
        shell.stdin.flush()
        lines = []
        while (line := shell.stdout.readline()) != f"{DONE}\n":
            assert line, f"the shell ended at: {command}"
            lines.append(line)
        assert "".join(lines) == expected, command
    shell.stdin.close()
    assert shell.wait(timeout=10) == 0
